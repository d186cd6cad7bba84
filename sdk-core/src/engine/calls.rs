//! Commands of the app, and those of them that are a call to the server.

use tidewire_protocol::{BanRequest, MuteRequest, NewMembers, RoleUpdate, RoomState, SlowMode};

use super::command::{Command, GapSide, Reply, RoomSummary};
use super::disk::commit::After;
use super::disk::loads::LoadPurpose;
use super::effect::{CommandId, Request, RequestError, Response};
use super::query::Query;
use super::timeline::opening::TimelineStart;
use super::{Engine, Purpose};
use crate::error::Error;

impl Engine {
    pub(crate) fn command(&mut self, id: CommandId, command: Command) {
        match command {
            Command::Send { room, op, options } => self.enqueue(id, room, op, options),
            Command::MayAttach(room) => self.may_attach(id, room),
            Command::SendFiles { room, op, files, options } => {
                self.send_files(id, room, op, files, options);
            }
            Command::Retry(event) => self.retry(id, event),
            Command::Discard(event) => self.discard(id, event),
            Command::Cancel { room, message, delete } => self.cancel(id, room, message, delete),
            Command::OpenTimeline(timeline, room) => {
                self.open_timeline(id, timeline, room, TimelineStart::Newest);
            }
            Command::OpenTimelineAt(timeline, room, start) => {
                self.open_timeline(id, timeline, room, start);
            }
            Command::OpenThread(timeline, room, root) => {
                self.open_thread(id, timeline, room, root);
            }
            Command::ResetTimeline(timeline) => self.reset_timeline(id, timeline),
            Command::CloseTimeline(timeline) => self.close_timeline(timeline),
            Command::LoadOlder(timeline, count) => self.load_older(id, timeline, count),
            Command::LoadNewer(timeline, count) => self.load_newer(id, timeline, count),
            Command::FillGap(timeline, from, to) => {
                self.fill_gap(id, timeline, (from, to), GapSide::Newer);
            }
            Command::FillGapFrom(timeline, from, to, side) => {
                self.fill_gap(id, timeline, (from, to), side);
            }
            Command::MarkRead(room, seq) => self.mark_read(id, room, seq),
            Command::SetVisible(rooms) => self.set_visible(rooms),
            Command::OpenRoomList(list, query) => self.open_list(id, list, query),
            Command::ResetRoomList(list) => self.reset_list(id, list),
            Command::CloseRoomList(list) => self.close_list(list),
            Command::ShowRooms { list, first, count, rooms } => {
                self.show_rooms(list, first, count, rooms);
            }
            Command::UnreadTotal => {
                let total = self.unread_total();
                self.reply(id, Ok(Reply::UnreadTotal(total)));
            }
            Command::SetDraft { room, text } => self.set_draft(id, room, text),
            Command::Draft(room) => {
                let draft = self.draft(room);
                self.reply(id, Ok(Reply::Draft(draft)));
            }
            Command::SetSettings(room, change) => self.set_settings(id, room, change),
            Command::SetBlocked { user, blocked } => self.set_blocked(id, user, blocked),
            Command::Blocked => {
                let blocked = self.blocked();
                self.reply(id, Ok(Reply::Blocked(blocked)));
            }
            Command::UpdateRoom(room, update) => {
                self.call(id, Request::UpdateRoom(room, update), false);
            }
            Command::SetRole { room, user, role } => {
                self.call(id, Request::SetRole(room, user, RoleUpdate { role }), false);
            }
            Command::Ban { room, user, reason } => {
                self.call(id, Request::Ban(room, user, BanRequest { reason }), false);
            }
            Command::Unban(room, user) => self.call(id, Request::Unban(room, user), false),
            Command::Bans(room, after) => self.call(id, Request::Bans(room, after), false),
            Command::MuteMember { room, user, for_ms, reason } => {
                self.call(id, Request::Mute(room, user, MuteRequest { for_ms, reason }), false);
            }
            Command::UnmuteMember(room, user) => self.call(id, Request::Unmute(room, user), false),
            Command::MutedMembers(room, after) => {
                self.call(id, Request::Mutes(room, after), false);
            }
            Command::SetSlowMode { room, interval_ms } => {
                self.call(id, Request::SetSlowMode(room, SlowMode { interval_ms }), false);
            }
            Command::Report(report) => self.call(id, Request::Report(report), false),
            Command::Reports(room, query) => {
                self.call(id, Request::Reports(room, query), false);
            }
            Command::ResolveReport(report) => {
                self.call(id, Request::ResolveReport(report), false);
            }
            Command::Rooms => {
                let rooms = self.room_list();
                self.reply(id, Ok(Reply::Rooms(rooms)));
            }
            Command::CreateRoom(new) => self.call(id, Request::CreateRoom(new), false),
            Command::AddMembers(room, users) => {
                self.call(id, Request::AddMembers(room, NewMembers { users }), false);
            }
            Command::RemoveMember(room, user) => {
                self.call(id, Request::RemoveMember(room, user), false);
            }
            Command::Members(room, after) => self.call(id, Request::Members(room, after), false),
            Command::Receipts(room, seq, after) => {
                self.call(id, Request::Receipts(room, seq, after), false);
            }
            Command::Profiles(users) => self.look_up_profiles(id, users),
            Command::Search(ask) => self.search(id, *ask),
            Command::SearchServer(request) => self.call(id, Request::Search(request), false),
            Command::UpdateProfile(update) => {
                self.call(id, Request::UpdateProfile(update), false);
            }
            Command::Presence(users) => {
                let presence = self.presence_of(&users);
                self.reply(id, Ok(Reply::Presence(presence)));
            }
            Command::Typists(room) => {
                let typists = self.typists(room);
                self.reply(id, Ok(Reply::Typists(typists)));
            }
            Command::Logout(logout) => self.log_out(id, logout),
            Command::CacheReport => self.report_files(id),
            Command::Download(download, file) => self.download(id, download, file),
            Command::CloseDownload(download) => self.close_download(download),
            Command::Refresh => self.refresh(id),
            Command::Why(subject) => self.why_loaded(id, subject),
            Command::Budget => {
                let report = self.budget_report();
                self.reply(id, Ok(Reply::Budget(report)));
            }
            Command::Stats => {
                let modes = self.mode_stats.all(self.mode().mode, &self.stats);
                self.reply(id, Ok(Reply::Stats(Box::new(self.stats.clone()), modes)));
            }
        }
    }

    /// What the store holds, for a report.
    pub(crate) fn report_sizes(&mut self, command: CommandId) {
        self.load(Query::Sizes, LoadPurpose::Report(command));
    }

    /// The rooms, the most recently active first.
    fn room_list(&self) -> Vec<RoomSummary> {
        let mut rooms: Vec<RoomSummary> = self
            .rooms
            .iter()
            .map(|(id, room)| {
                let wish = self.heads.wishes.get(id).copied();
                RoomSummary {
                    state: RoomState {
                        receipts: room.receipts.list(),
                        settings: wish.unwrap_or(room.state.settings),
                        unread_base: room.base(),
                        ..room.state.clone()
                    },
                    unread: self.heads.unread(*id),
                    draft: self.draft(*id),
                    pending: self.outbox.pending(*id),
                }
            })
            .collect();
        let active = |state: &RoomState| {
            state.last_event.as_ref().map_or(state.created_at, |event| event.at)
        };
        rooms.sort_by_key(|room| std::cmp::Reverse((active(&room.state), room.state.id)));
        rooms
    }

    /// Makes a call to the server for a command: at once, or once there is a token. Unlike a send
    /// it does not wait for the network: the caller hears that it is not there.
    pub(crate) fn call(&mut self, command: CommandId, request: Request, again: bool) {
        if !self.online() {
            self.call_failed(command, Error::Offline);
        } else if self.auth.has_failed() {
            let reason = "the last token was not accepted, or the app gave none".into();
            self.call_failed(command, Error::AuthRequired(reason));
        } else if !self.auth.is_ready() {
            self.awaiting_token.push((command, request));
        } else {
            let (asked, life) = (Box::new(request.clone()), self.cache_life);
            let purpose = Purpose::Call { command, request: asked, again, life };
            self.request(request, purpose);
        }
    }

    /// Nothing comes of a call. A timeline that it was to open opens with what is here, if that is
    /// anything.
    pub(crate) fn call_failed(&mut self, command: CommandId, error: Error) {
        self.findings.remove(&command);
        match self.goals.remove(&command) {
            Some((goal, _)) => self.history_failed(command, goal, error),
            None => self.reply(command, Err(error)),
        }
    }

    pub(crate) fn call_answered(
        &mut self,
        command: CommandId,
        request: Request,
        answer: Result<Response, RequestError>,
        life: u64,
    ) {
        let reply = match answer {
            Ok(Response::Room(state)) => {
                // The caller may go on with the room at once: it hears once the room is stored.
                let reply = Some((command, Reply::Room(Box::new(state.clone()))));
                self.accept_state(state, After { reply, ..After::default() });
                return;
            }
            Ok(Response::History(history)) => {
                match request {
                    Request::Message(room, _) => self.message_told(command, room, history, life),
                    Request::History(room, _) => self.history_for(command, room, history, life),
                    _ => {}
                }
                return;
            }
            Ok(Response::Members(page)) => Ok(Reply::Members(page.members, page.next)),
            Ok(Response::Bans(page)) => Ok(Reply::Bans(page)),
            Ok(Response::Mutes(page)) => Ok(Reply::Mutes(page)),
            Ok(Response::Receipts(page)) => Ok(Reply::Receipts(Box::new(page))),
            Ok(Response::ReportTaken(taken)) => Ok(Reply::Reported(taken)),
            Ok(Response::Reports(page)) => Ok(Reply::Reports(page)),
            Ok(Response::Report(report)) => Ok(Reply::Report(report)),
            Ok(Response::Search(results)) => Ok(Reply::FoundOnServer(Box::new(results))),
            Ok(Response::Profile(profile)) => {
                self.store_profiles(vec![profile.clone()]);
                Ok(Reply::Profiles(vec![profile]))
            }
            Ok(_) => {
                tracing::error!(?request, "an answer of another call");
                Err(Error::Network("the answer does not belong to the call".into()))
            }
            Err(error) => {
                let error = self.not_found(command, error);
                self.call_failed(command, error);
                return;
            }
        };
        self.reply(command, reply);
    }
}
