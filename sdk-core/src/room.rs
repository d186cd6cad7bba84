//! A room, as a handle.

use std::time::Duration;

use tidewire_protocol::{
    BanPage, Content, DeleteContent, EditContent, EventId, EventKind, InvalidOp, Member,
    MessageContent, MutePage, Op, ReactionContent, ReceiptPage, Role, RoomId, RoomSettings,
    RoomState, RoomUpdate, Seq, UserId,
};
use uuid::Uuid;

use crate::client::Client;
use crate::config::millis;
use crate::engine::listing;
use crate::engine::{
    Command, OutgoingFile, Reply, SendOptions, SettingsChange, Subject, TimelineStart, Why,
};
use crate::error::{Error, FileError};
use crate::new_file::NewFile;
use crate::store::outgoing::Copy;
use crate::timeline::Timeline;

/// A handle of a room: a cheap clone.
#[derive(Debug, Clone)]
pub struct Room {
    client: Client,
    id: RoomId,
}

impl Room {
    pub(crate) fn new(client: Client, id: RoomId) -> Self {
        Self { client, id }
    }

    /// The room's id.
    pub fn id(&self) -> RoomId {
        self.id
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Opens a timeline at the newest messages: from memory if the room is open already, else from
    /// disk; what is missing there is fetched and comes as an update. Waits for the disk.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`], [`Error::Store`], [`Error::Closed`].
    pub async fn timeline(&self) -> Result<Timeline, Error> {
        self.timeline_at(TimelineStart::Newest).await
    }

    /// Opens a timeline anywhere: at the newest messages, at the first unread one, around a message
    /// or a seq. From memory or disk if what is there is held; else waits for the network.
    /// Timelines at the newest share what they show; any other is at a place of its own.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`]; [`Error::UnknownMessage`] if the room has no such message;
    /// [`Error::Offline`] or [`Error::Network`] if what is there is not on this device;
    /// [`Error::Refused`], [`Error::Store`], [`Error::Closed`].
    pub async fn timeline_at(&self, start: TimelineStart) -> Result<Timeline, Error> {
        let id = self.client.timeline_id();
        Timeline::open(self.client.asker().clone(), id, self.id, start).await
    }

    /// Opens a timeline of a message and what stands in its thread: the message first, then the
    /// replies, the newest page of them. It follows the newest replies as a room's timeline does.
    /// From memory or disk as far as they are there; what is missing is fetched and comes as an
    /// update.
    ///
    /// # Errors
    /// As for [`Room::timeline_at`].
    pub async fn thread(&self, root: EventId) -> Result<Timeline, Error> {
        let id = self.client.timeline_id();
        Timeline::open_thread(self.client.asker().clone(), id, self.id, root).await
    }

    /// Sends a text: at most 8 KiB, not empty. Gives the message's id once the message is on disk;
    /// by then open timelines show it. From there on it arrives exactly once, whatever happens to
    /// the network or the app. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// [`Error::InvalidOp`], [`Error::UnknownRoom`], [`Error::NotAMember`], [`Error::OutboxFull`],
    /// [`Error::Store`], [`Error::Closed`].
    pub async fn send(&self, text: impl Into<String>) -> Result<EventId, Error> {
        self.send_message(MessageContent::of_text(text)).await
    }

    /// Sends a message with all that it may hold. As [`Room::send`].
    ///
    /// # Errors
    /// As for [`Room::send`].
    pub async fn send_message(&self, message: MessageContent) -> Result<EventId, Error> {
        self.send_as(EventKind::Message, &message).await
    }

    /// Sends an event of the app's own kind, not one that starts with `room.` or `member.`: the
    /// server carries it without looking into it. As [`Room::send`].
    ///
    /// # Errors
    /// As for [`Room::send`].
    pub async fn send_as<T: serde::Serialize>(
        &self,
        kind: EventKind,
        content: &T,
    ) -> Result<EventId, Error> {
        self.operate(kind, content, SendOptions::default()).await
    }

    /// Sends a message with options: what becomes of those behind it if it fails, and how long there
    /// is time to send it. As [`Room::send`].
    ///
    /// # Errors
    /// As for [`Room::send`].
    pub async fn send_with(
        &self,
        message: MessageContent,
        options: SendOptions,
    ) -> Result<EventId, Error> {
        self.operate(EventKind::Message, &message, options).await
    }

    /// Sends a message with files, after those that `message` lists already; its text may be empty. Each
    /// file is copied into the account's folder first, off the caller's thread, and its checksum taken; so
    /// whatever becomes of it afterwards, what was there when this was called is sent. Gives the message's id
    /// once copies and message are on disk; by then open timelines show it, with its files in
    /// [`Message::outgoing`](crate::Message::outgoing) and how far each is uploaded. From there on it arrives
    /// exactly once, also after a restart: files go up in parts, and after a cut only the part that was on its
    /// way goes out again.
    ///
    /// What is sent after it overtakes it while its files are on their way, unless
    /// [`SendOptions::ordered`] says otherwise. [`Room::retry`], [`Room::discard`] and [`Room::cancel`] are as
    /// for every message. Waits for the disk, never for the network.
    ///
    /// ```no_run
    /// use tidewire::{MessageContent, NewFile, SendOptions};
    ///
    /// # async fn example(room: tidewire::Room) -> Result<(), tidewire::Error> {
    /// let files = vec![NewFile::at("cliff.jpg").pixels(1600, 1200), NewFile::at("map.pdf")];
    /// room.send_files(MessageContent::of_text("The way up"), files, SendOptions::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] with the file and what is wrong with it: it is not there, is empty, can not be read, is
    /// being written, or is larger than the server takes (50 MiB unless it says otherwise). With
    /// [`StoreError::DiskFull`](crate::StoreError::DiskFull) there is no room for the copies. Nothing is kept of
    /// either. Else as for [`Room::send`].
    pub async fn send_files(
        &self,
        message: MessageContent,
        files: Vec<NewFile>,
        options: SendOptions,
    ) -> Result<EventId, Error> {
        if files.is_empty() {
            return self.send_with(message, options).await;
        }
        let asker = self.client.asker();
        let most = match asker.ask(Command::MayAttach(self.id)).await? {
            Reply::UploadBytes(most) => most,
            other => return Err(asker.unexpected(&other)),
        };
        let mut files: Vec<_> = files.into_iter().map(NewFile::outgoing).collect();
        let op = operation(EventKind::Message, &message)?;
        can_send(&op, &message, &files)?;
        let sources = files.iter().map(|file| (file.path.clone(), file.id)).collect();
        let mut copies = asker.copy(sources, most).await?;
        for (file, copy) in files.iter_mut().zip(&mut copies) {
            (file.size, file.sha256, file.path) = (copy.size, copy.sha256, copy.path());
            // From here on nobody but the outbox knows whether it is needed.
            copy.give();
        }
        let id = op.id;
        let command = Command::SendFiles { room: self.id, op, files, options };
        let sent = asker.ask(command).await;
        if sent.as_ref().is_err_and(|error| *error != Error::Closed) {
            copies.iter_mut().for_each(Copy::take_back);
        }
        sent.map(|_| id)
    }

    async fn operate<T: serde::Serialize>(
        &self,
        kind: EventKind,
        content: &T,
        options: SendOptions,
    ) -> Result<EventId, Error> {
        let op = operation(kind, content)?;
        let id = op.id;
        self.client.asker().ask(Command::Send { room: self.id, op, options }).await?;
        Ok(id)
    }

    /// Sends a message that quotes another one of this room. As [`Room::send_message`]; readers see
    /// the quoted message as it is when they look ([`Message::reply_to`](crate::Message::reply_to)).
    ///
    /// # Errors
    /// As for [`Room::send`].
    pub async fn reply(&self, id: EventId, message: MessageContent) -> Result<EventId, Error> {
        self.send_message(MessageContent { reply_to: Some(id), ..message }).await
    }

    /// Sends a message into the thread of another one of this room, which must not stand in a thread
    /// itself. As [`Room::send_message`]; it makes no row in the room's own timeline, but is counted
    /// in [`Message::replies`](crate::Message::replies) of `root`.
    ///
    /// # Errors
    /// As for [`Room::send`].
    pub async fn send_in_thread(
        &self,
        root: EventId,
        message: MessageContent,
    ) -> Result<EventId, Error> {
        self.send_message(MessageContent { thread: Some(root), ..message }).await
    }

    /// Has a message of the user's say something else. Shows at once; on disk when this returns, from
    /// there on it arrives exactly once. What the message quotes and its thread stay what they were,
    /// and whom it mentions, so that everybody counts the same mentions. A message that was never
    /// sent is changed where it waits, its mentions too. If the server refuses the edit,
    /// the message is again what it was and the app hears
    /// [`Problem::SendFailed`](crate::Problem::SendFailed). Waits for the disk, never for the network.
    ///
    /// # Errors
    /// [`Error::NotYours`] and [`Error::MessageDeleted`], where the message is on this device; else
    /// the server judges. [`Error::UnknownMessage`] for what is no message. Else as for
    /// [`Room::send`].
    pub async fn edit(&self, id: EventId, message: MessageContent) -> Result<(), Error> {
        let edit = EditContent { target: id, content: message };
        self.send_as(EventKind::Edit, &edit).await.map(drop)
    }

    /// Deletes a message: the user's own, or as an owner or a moderator of a group anybody's. One that was
    /// never sent is discarded. Else as [`Room::edit`].
    ///
    /// # Errors
    /// As for [`Room::edit`].
    pub async fn delete(&self, id: EventId) -> Result<(), Error> {
        self.send_as(EventKind::Delete, &DeleteContent { target: id }).await.map(drop)
    }

    /// Puts a mark on a message, as a rule an emoji: 1 to 64 bytes. Nothing changes if the user has
    /// it there already. Else as [`Room::edit`].
    ///
    /// # Errors
    /// As for [`Room::edit`], but for [`Error::NotYours`].
    pub async fn react(&self, id: EventId, key: impl Into<String>) -> Result<(), Error> {
        let reaction = ReactionContent { target: id, key: key.into(), removed: false };
        self.send_as(EventKind::Reaction, &reaction).await.map(drop)
    }

    /// Takes the user's mark away again. As [`Room::react`].
    ///
    /// # Errors
    /// As for [`Room::react`].
    pub async fn unreact(&self, id: EventId, key: impl Into<String>) -> Result<(), Error> {
        let reaction = ReactionContent { target: id, key: key.into(), removed: true };
        self.send_as(EventKind::Reaction, &reaction).await.map(drop)
    }

    /// Takes a message of the user's back, however far it is. One that was never sent is gone, as if
    /// it had never been written. One that may have arrived is deleted: it goes out and the deletion
    /// behind it, and if it never arrived, that is well too. It shows as deleted, or not at all, when
    /// this returns; on disk by then. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// [`Error::UnknownMessage`] for what is no message and may have been sent; else as for
    /// [`Room::delete`].
    pub async fn cancel(&self, id: EventId) -> Result<(), Error> {
        let delete = EventId::from_uuid(Uuid::now_v7());
        let command = Command::Cancel { room: self.id, message: id, delete };
        self.client.asker().ask(command).await.map(drop)
    }

    /// Queues a failed message again, with all the time there is. Waits for the disk.
    ///
    /// # Errors
    /// [`Error::UnknownMessage`] if it is not in the outbox or has not failed; [`Error::Store`];
    /// [`Error::Closed`].
    pub async fn retry(&self, id: EventId) -> Result<(), Error> {
        self.client.asker().ask(Command::Retry(id)).await.map(drop)
    }

    /// Takes a failed message out of the outbox, and what was to change it: those behind it go on.
    /// Waits for the disk.
    ///
    /// # Errors
    /// As for [`Room::retry`].
    pub async fn discard(&self, id: EventId) -> Result<(), Error> {
        self.client.asker().ask(Command::Discard(id)).await.map(drop)
    }

    /// The user has read everything up to `seq`. Lower than before changes nothing, and what is
    /// beyond the room's head counts as the head. On disk when this returns: it survives a restart,
    /// and is told to the server until the server has it. With a socket that is at once (at most one
    /// a second), in polling with the next poll, offline when there is a network again. The user's
    /// other devices learn it as well. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`], [`Error::NotAMember`], [`Error::Store`], [`Error::Closed`].
    pub async fn mark_read(&self, seq: Seq) -> Result<(), Error> {
        self.client.asker().ask(Command::MarkRead(self.id, seq)).await.map(drop)
    }

    /// Why what is shown of this room is or is not all, and new: what is missing, since when, and
    /// what it waits for. From memory, also while the app is suspended.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`]; [`Error::Suspended`] if the app was suspended before anything was
    /// loaded; [`Error::Store`] if nothing could be loaded; [`Error::Closed`].
    pub async fn why(&self) -> Result<Why, Error> {
        self.client.asker().why(Subject::Room(self.id)).await
    }

    /// Why a message of this room is in the state that it is in. From memory if it is in the outbox
    /// or in an open timeline, also while the app is suspended; else waits for the disk.
    ///
    /// # Errors
    /// [`Error::UnknownMessage`] if it is not here; else as for [`Room::why`].
    pub async fn why_message(&self, id: EventId) -> Result<Why, Error> {
        self.client.asker().why(Subject::Message(self.id, id)).await
    }

    /// The user types in this room: call it for each keystroke, and leave the rest to the client. The
    /// others hear of it when it begins, and that it is over after 3 s without a call or with the
    /// message. Returns at once and never fails: where nobody is to hear of it (offline, a room that
    /// the user is not in or that has too many members), nothing happens. In polling it rides on the
    /// next poll and causes none.
    pub fn typing(&self) {
        self.client.asker().key(self.id);
    }

    /// Who types in this room, the user excepted: from memory, as last told by
    /// [`ClientEvent::TypingChanged`](crate::ClientEvent::TypingChanged). Nobody in a room that is not watched or
    /// has too many members.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Closed`].
    pub async fn typists(&self) -> Result<Vec<UserId>, Error> {
        match self.client.asker().ask(Command::Typists(self.id)).await? {
            Reply::Typists(users) => Ok(users),
            other => Err(self.client.asker().unexpected(&other)),
        }
    }

    /// Keeps what the user has begun to write here, at most 32 KiB; `None` or an empty text forgets
    /// it. It is on disk when this returns, survives everything but
    /// the account's end, stays on this device and shows in lists of rooms. Sending does not clear
    /// it. Waits for the disk.
    ///
    /// # Errors
    /// [`Error::InvalidOp`] if it is too long, [`Error::UnknownRoom`], [`Error::Store`],
    /// [`Error::Suspended`], [`Error::Closed`].
    pub async fn set_draft(&self, text: Option<String>) -> Result<(), Error> {
        let command = Command::SetDraft { room: self.id, text };
        self.client.asker().ask(command).await.map(drop)
    }

    /// What the user has begun to write here: from memory.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Closed`].
    pub async fn draft(&self) -> Result<Option<String>, Error> {
        match self.client.asker().ask(Command::Draft(self.id)).await? {
            Reply::Draft(draft) => Ok(draft),
            other => Err(self.client.asker().unexpected(&other)),
        }
    }

    /// Sets what holds for this room on all of the user's devices. It is on disk and shows when this
    /// returns; the server is told as soon as there is a network. Of several wishes the newest
    /// counts, also against what another device has set before the server hears of it. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`Error::UnknownRoom`], [`Error::NotAMember`], [`Error::Store`], [`Error::Suspended`],
    /// [`Error::Closed`].
    pub async fn set_settings(&self, settings: RoomSettings) -> Result<(), Error> {
        self.change_settings(settings.into()).await
    }

    /// Mutes the room, or ends that: its messages do not count for
    /// [`Client::unread_total`] any more, mentions do. As [`Room::set_settings`], and what else is
    /// set stays.
    ///
    /// # Errors
    /// As for [`Room::set_settings`].
    pub async fn mute(&self, muted: bool) -> Result<(), Error> {
        let change = SettingsChange { muted: Some(muted), ..SettingsChange::default() };
        self.change_settings(change).await
    }

    /// Pins the room above all that are not, or ends that. As [`Room::mute`].
    ///
    /// # Errors
    /// As for [`Room::set_settings`].
    pub async fn pin(&self, pinned: bool) -> Result<(), Error> {
        let change = SettingsChange { pinned: Some(pinned), ..SettingsChange::default() };
        self.change_settings(change).await
    }

    /// Puts the room away, or brings it back: archived ones are in no list that does not ask for
    /// them, and do not count for [`Client::unread_total`]. As [`Room::mute`].
    ///
    /// # Errors
    /// As for [`Room::set_settings`].
    pub async fn archive(&self, archived: bool) -> Result<(), Error> {
        let change = SettingsChange { archived: Some(archived), ..SettingsChange::default() };
        self.change_settings(change).await
    }

    async fn change_settings(&self, change: SettingsChange) -> Result<(), Error> {
        self.client.asker().ask(Command::SetSettings(self.id, change)).await.map(drop)
    }

    /// Changes how a group looks: all of it, so that what is `None` it has not any more. Only owners
    /// may. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn update(&self, update: RoomUpdate) -> Result<RoomState, Error> {
        self.client.asker().room(Command::UpdateRoom(self.id, update)).await
    }

    /// Gives a member of a group another role: owner, moderator, member. Only owners may, and the last owner
    /// stays one. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn set_role(&self, user: UserId, role: Role) -> Result<RoomState, Error> {
        let command = Command::SetRole { room: self.id, user, role };
        self.client.asker().room(command).await
    }

    /// A page of at most 100 members, by user id, and where the next one begins. Waits for the
    /// network.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Network`], [`Error::AuthRequired`], [`Error::Refused`],
    /// [`Error::Closed`].
    pub async fn members(
        &self,
        after: Option<UserId>,
    ) -> Result<(Vec<Member>, Option<UserId>), Error> {
        match self.client.asker().ask(Command::Members(self.id, after)).await? {
            Reply::Members(members, next) => Ok((members, next)),
            other => Err(self.client.asker().unexpected(&other)),
        }
    }

    /// How far the other members are with the message at `seq`, in a room of any size: how many have it and
    /// have read it, and a page of at most 100 receipts by user id. As of now: nothing more is told of it. In
    /// rooms of up to 100 members [`Message::reach`](crate::Message::reach) says the same without asking. Waits
    /// for the network.
    ///
    /// # Errors
    /// As for [`Room::members`].
    pub async fn receipts(&self, seq: Seq, after: Option<UserId>) -> Result<ReceiptPage, Error> {
        match self.client.asker().ask(Command::Receipts(self.id, seq, after)).await? {
            Reply::Receipts(page) => Ok(*page),
            other => Err(self.client.asker().unexpected(&other)),
        }
    }

    /// Invites: adds members, at most 100 at once; none of them if one is banned. Owners and moderators of groups
    /// may. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::members`], and [`Error::Store`].
    pub async fn add_members(&self, users: Vec<UserId>) -> Result<RoomState, Error> {
        self.client.asker().room(Command::AddMembers(self.id, users)).await
    }

    /// Removes a member, who may be added again. Owners and moderators of groups may, but no moderator removes an
    /// owner or a moderator. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn remove_member(&self, user: UserId) -> Result<RoomState, Error> {
        self.client.asker().room(Command::RemoveMember(self.id, user)).await
    }

    /// Sends a user away, if he is in the room, and keeps him out: whoever adds him hears
    /// [`ErrorCode::Banned`](crate::ErrorCode::Banned) until [`Room::unban`]. The reason, 1 byte to 1 KiB, is for
    /// those who keep order alone. Owners and moderators of groups may, but no moderator bans an owner or a
    /// moderator. One who is banned already stays as he is. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn ban(&self, user: UserId, reason: Option<String>) -> Result<RoomState, Error> {
        self.client.asker().room(Command::Ban { room: self.id, user, reason }).await
    }

    /// Keeps a user out no more: he may be added again. Owners and moderators may. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn unban(&self, user: UserId) -> Result<RoomState, Error> {
        self.client.asker().room(Command::Unban(self.id, user)).await
    }

    /// A page of at most 100 of those who are kept out, by user id, and where the next one begins. Owners and
    /// moderators may. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::members`].
    pub async fn bans(&self, after: Option<UserId>) -> Result<BanPage, Error> {
        match self.client.asker().ask(Command::Bans(self.id, after)).await? {
            Reply::Bans(page) => Ok(page),
            other => Err(self.client.asker().unexpected(&other)),
        }
    }

    /// Lets a member only read, for a time or, without one, until [`Room::unmute_member`]: what he sends fails with
    /// [`ErrorCode::Muted`](crate::ErrorCode::Muted), and his [`RoomState::mute`] says until when. Whatever was said
    /// last holds. The reason, 1 byte to 1 KiB, is for those who keep order alone. A time has at most 366 days.
    /// Owners and moderators of groups may, but no moderator mutes an owner or a moderator. Waits for the network.
    ///
    /// To have no notifications of a room is [`Room::mute`].
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn mute_member(
        &self,
        user: UserId,
        time: Option<Duration>,
        reason: Option<String>,
    ) -> Result<RoomState, Error> {
        let for_ms = time.map(millis);
        self.client.asker().room(Command::MuteMember { room: self.id, user, for_ms, reason }).await
    }

    /// Lets a member write again, also before the time of the mute is over. Who may mute may. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn unmute_member(&self, user: UserId) -> Result<RoomState, Error> {
        self.client.asker().room(Command::UnmuteMember(self.id, user)).await
    }

    /// A page of at most 100 of those who may only read, by user id, and where the next one begins. Owners and
    /// moderators may. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::members`].
    pub async fn muted_members(&self, after: Option<UserId>) -> Result<MutePage, Error> {
        match self.client.asker().ask(Command::MutedMembers(self.id, after)).await? {
            Reply::Mutes(page) => Ok(page),
            other => Err(self.client.asker().unexpected(&other)),
        }
    }

    /// Says how long a member waits from one message in the room to the next, 6 hours at most; `None` ends slow
    /// mode. What is sent earlier waits in the outbox of that room, in order, and does not fail; edits, deletions
    /// and reactions do not count. Owners and moderators of groups may, and do not wait. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn set_slow_mode(&self, interval: Option<Duration>) -> Result<RoomState, Error> {
        // Whatever is too long for the number is so for the server.
        let interval_ms = interval
            .map_or(0, |interval| u32::try_from(millis(interval)).unwrap_or(u32::MAX).max(1));
        self.client.asker().room(Command::SetSlowMode { room: self.id, interval_ms }).await
    }

    /// Leaves the room. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::add_members`].
    pub async fn leave(&self) -> Result<RoomState, Error> {
        self.remove_member(self.client.user().clone()).await
    }
}

fn operation<T: serde::Serialize>(kind: EventKind, content: &T) -> Result<Op, Error> {
    let malformed = |_| InvalidOp::Malformed(kind.to_string());
    let content = Content::of(content).map_err(malformed)?;
    Ok(Op { id: EventId::from_uuid(Uuid::now_v7()), kind, content })
}

/// Whether a message can be sent with these files, as far as that can be told before they are copied.
fn can_send(op: &Op, message: &MessageContent, files: &[OutgoingFile]) -> Result<(), Error> {
    let content = listing(&op.content, files);
    let content = content.map_err(|_| InvalidOp::Malformed(op.kind.to_string()))?;
    match (Op { content, ..op.clone() }).validate() {
        Err(InvalidOp::Attachment { index, why }) => {
            let own = index.checked_sub(message.attachments.len());
            match own.and_then(|index| files.get(index)) {
                Some(OutgoingFile { path, .. }) => {
                    Err(Error::File { path: path.clone(), error: FileError::Invalid(why) })
                }
                None => Err(InvalidOp::Attachment { index, why }.into()),
            }
        }
        checked => Ok(checked?),
    }
}
