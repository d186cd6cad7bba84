//! How rooms of the model server look, who may do what in them, and what users set for themselves.

use tidewire_protocol::{
    Ban, BanPage, BanRequest, ErrorCode, EventKind, MemberChange, Receipt, ReceiptPage, Role,
    RoleChange, RoleUpdate, RoomId, RoomKind, RoomState, RoomUpdate, Seq, SettingsUpdate, UserId,
    WireError, limits,
};

use super::server::{ModelServer, ModelSettings, News, not_a_member};

impl ModelServer {
    /// A group in which the user keeps order; and his role.
    pub(super) fn moderated_by(&self, user: &UserId, room: RoomId) -> Result<Role, WireError> {
        let (log, member) = self.seen_by(user, room)?;
        let no = |text: &str| Err(WireError::new(ErrorCode::Forbidden, text));
        match (member.left, member.role) {
            (Some(_), _) => Err(not_a_member()),
            (None, _) if log.kind == RoomKind::Direct => no("a direct room never changes"),
            (None, role) if role.moderates() => Ok(role),
            (None, _) => no("only an owner or a moderator may do this"),
        }
    }

    /// Whether the user may send that one away.
    pub(super) fn may_send_away(
        &self,
        by: &UserId,
        room: RoomId,
        user: &UserId,
    ) -> Result<(), WireError> {
        let role = self.moderated_by(by, room)?;
        let other = self.seen_by(user, room).ok().map(|(_, member)| *member);
        match other.filter(|member| member.left.is_none()) {
            Some(member) if !role.may_send_away(member.role) => {
                Err(WireError::new(ErrorCode::Forbidden, "only an owner may send this one away"))
            }
            _ => Ok(()),
        }
    }

    /// Keeps a user out of a room.
    pub(super) fn ban(
        &mut self,
        by: &UserId,
        id: RoomId,
        user: &UserId,
        ban: BanRequest,
    ) -> Result<RoomState, WireError> {
        self.moderated_by(by, id)?;
        if by == user {
            return Err(WireError::new(ErrorCode::Forbidden, "nobody bans himself"));
        }
        if let Err(error) = ban.validate() {
            return Err(WireError::new(ErrorCode::InvalidContent, error.to_string()));
        }
        self.may_send_away(by, id, user)?;
        let at = self.clock;
        let Some(room) = self.rooms.get_mut(&id) else { return Err(not_a_member()) };
        if !room.bans.contains_key(user) {
            let (user, by) = (user.clone(), by.clone());
            let ban = Ban { user: user.clone(), by: by.clone(), at, reason: ban.reason };
            room.bans.insert(user.clone(), ban);
            let change = MemberChange { user: user.clone() };
            self.append(id, &by, EventKind::MemberBanned, &change);
            self.remove_member(id, &by, &user);
        }
        self.state_for(by, id)
    }

    /// Keeps a user out no more.
    pub(super) fn unban(
        &mut self,
        by: &UserId,
        id: RoomId,
        user: &UserId,
    ) -> Result<RoomState, WireError> {
        self.moderated_by(by, id)?;
        if self.rooms.get_mut(&id).is_some_and(|room| room.bans.remove(user).is_some()) {
            let change = MemberChange { user: user.clone() };
            self.append(id, by, EventKind::MemberUnbanned, &change);
        }
        self.state_for(by, id)
    }

    /// A page of those who are kept out.
    pub(super) fn bans(
        &self,
        by: &UserId,
        id: RoomId,
        after: Option<&UserId>,
    ) -> Result<BanPage, WireError> {
        let (room, _) = self.seen_by(by, id)?;
        self.moderated_by(by, id)?;
        let rest = room.bans.values().filter(|ban| after.is_none_or(|after| ban.user > *after));
        let mut bans: Vec<Ban> = rest.take(limits::MEMBERS_PAGE + 1).cloned().collect();
        let more = bans.len() > limits::MEMBERS_PAGE;
        bans.truncate(limits::MEMBERS_PAGE);
        let next = bans.last().filter(|_| more).map(|ban| ban.user.clone());
        Ok(BanPage { bans, next })
    }

    /// A group of the user's, who owns it.
    pub(super) fn owned_by(&self, user: &UserId, room: RoomId) -> Result<(), WireError> {
        let (log, member) = self.seen_by(user, room)?;
        let no = |text: &str| Err(WireError::new(ErrorCode::Forbidden, text));
        match (member.left, member.role) {
            (Some(_), _) => Err(not_a_member()),
            (None, _) if log.kind == RoomKind::Direct => no("a direct room never changes"),
            (None, Role::Owner) => Ok(()),
            (None, _) => no("only an owner may do this"),
        }
    }

    /// Changes how a group looks.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn update_room(
        &mut self,
        by: &UserId,
        id: RoomId,
        update: RoomUpdate,
    ) -> Result<RoomState, WireError> {
        self.owned_by(by, id)?;
        let long = |text: &Option<String>, most| text.as_ref().is_some_and(|t| t.len() > most);
        if long(&update.name, limits::NAME_BYTES) || long(&update.avatar_url, limits::URL_BYTES) {
            return Err(WireError::new(ErrorCode::InvalidContent, "too long"));
        }
        if let Some(room) = self.rooms.get_mut(&id)
            && (&room.name, &room.avatar_url) != (&update.name, &update.avatar_url)
        {
            (room.name, room.avatar_url) = (update.name.clone(), update.avatar_url.clone());
            self.append(id, by, EventKind::RoomUpdated, &update);
        }
        self.state_for(by, id)
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn set_role(
        &mut self,
        by: &UserId,
        id: RoomId,
        user: &UserId,
        RoleUpdate { role }: RoleUpdate,
    ) -> Result<RoomState, WireError> {
        self.owned_by(by, id)?;
        let invalid = |text: &str| Err(WireError::new(ErrorCode::InvalidContent, text));
        if role == Role::Other {
            return invalid("a role is `owner`, `moderator` or `member`");
        }
        let Some(room) = self.rooms.get_mut(&id) else { return Err(not_a_member()) };
        let owners = room.members.values().filter(|m| m.left.is_none() && m.role == Role::Owner);
        let last = owners.count() == 1;
        match room.members.get_mut(user).filter(|member| member.left.is_none()) {
            None => return invalid("the user is not a member of the room"),
            Some(member) if member.role == role => {}
            Some(member) if member.role == Role::Owner && last => {
                return Err(WireError::new(ErrorCode::Forbidden, "a group always has an owner"));
            }
            Some(member) => {
                member.role = role;
                let change = RoleChange { user: user.clone(), role };
                self.append(id, by, EventKind::MemberRole, &change);
            }
        }
        self.state_for(by, id)
    }

    /// How far the others are with what stands at `seq`, and a page of their receipts.
    pub(super) fn receipts_at(
        &self,
        user: &UserId,
        id: RoomId,
        seq: Seq,
        after: Option<&UserId>,
    ) -> Result<ReceiptPage, WireError> {
        let (room, member) = self.seen_by(user, id)?;
        if member.left.is_some() {
            return Err(not_a_member());
        }
        let others: Vec<_> = room
            .receipts
            .values()
            .map(|(receipt, _)| receipt)
            .filter(|of| of.user != *user)
            .collect();
        let count = |has: &dyn Fn(&Receipt) -> bool| {
            u32::try_from(others.iter().filter(|receipt| has(receipt)).count()).unwrap_or(u32::MAX)
        };
        let rest = others.iter().filter(|receipt| after.is_none_or(|after| receipt.user > *after));
        let mut receipts: Vec<Receipt> =
            rest.take(limits::MEMBERS_PAGE + 1).map(|receipt| (*receipt).clone()).collect();
        let more = receipts.len() > limits::MEMBERS_PAGE;
        receipts.truncate(limits::MEMBERS_PAGE);
        Ok(ReceiptPage {
            delivered_to: count(&|receipt| receipt.delivered >= seq),
            read_by: count(&|receipt| receipt.read >= seq),
            of: count(&|_| true),
            next: receipts.last().filter(|_| more).map(|receipt| receipt.user.clone()),
            receipts,
        })
    }

    /// Replaces a user's settings of a room, if they follow those that there are.
    ///
    /// # Errors
    /// `not_a_member`.
    pub fn set_settings(
        &mut self,
        user: &UserId,
        id: RoomId,
        update: SettingsUpdate,
    ) -> Result<SettingsUpdate, WireError> {
        let room = self.rooms.get_mut(&id).filter(|room| room.has(user));
        let room = room.ok_or_else(not_a_member)?;
        let of = room.settings.entry(user.clone()).or_default();
        let sets = match update.version {
            Some(version) => version == of.version,
            None => of.now != update.settings,
        };
        if sets {
            self.head += 1;
            *of = ModelSettings { now: update.settings, version: of.version + 1, ord: self.head };
            room.settings_ord = self.head;
            self.news.push(News::User(user.clone()));
        }
        Ok(SettingsUpdate { settings: of.now, version: Some(of.version) })
    }
}
