//! How rooms of the model server look, who may do what in them, and what users set for themselves.

use tidewire_protocol::{
    ErrorCode, EventKind, Receipt, ReceiptPage, Role, RoleChange, RoleUpdate, RoomId, RoomKind,
    RoomState, RoomUpdate, Seq, SettingsUpdate, UserId, WireError, limits,
};

use super::server::{ModelServer, ModelSettings, News, not_a_member};

impl ModelServer {
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
            return invalid("a role is `owner` or `member`");
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
