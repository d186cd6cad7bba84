//! The model server's calls: what a request is answered.

use tidewire_protocol::{
    ErrorCode, Member, MemberPage, Op, OpOutcome, OpResult, Profile, ProfileUpdate, Profiles,
    ReceiptUpdate, Role, RoomId, RoomOps, RoomPage, Sent, SyncRequest, SyncResponse, UserId,
    WireError, limits,
};

use super::server::{ModelServer, not_a_member};
use crate::engine::{Request, RequestError, Response};

/// What a room has under the id of an operation.
enum Known {
    Nothing,
    /// The same operation of the same sender.
    Same(OpOutcome),
    Other,
}

impl ModelServer {
    fn look_up(&self, user: &UserId, room: RoomId, op: &Op) -> Known {
        match self.event(room, op.id) {
            None => Known::Nothing,
            Some(event) => {
                let same = event.sender == *user
                    && event.kind == op.kind
                    && event.content.as_json() == op.content.as_json();
                if same {
                    Known::Same(OpOutcome::Accepted { seq: event.seq, at: event.at })
                } else {
                    Known::Other
                }
            }
        }
    }

    /// Applies operations in order, up to the first that is refused.
    pub fn apply(&mut self, user: &UserId, RoomOps { room, ops }: RoomOps) -> Sent {
        match self.try_apply(user, room, ops) {
            Ok(results) => Sent { room, results, error: None },
            Err(error) => Sent { room, results: Vec::new(), error: Some(error) },
        }
    }

    fn try_apply(
        &mut self,
        user: &UserId,
        room: RoomId,
        ops: Vec<Op>,
    ) -> Result<Vec<OpResult>, WireError> {
        if ops.is_empty() || ops.len() > limits::OPS_PER_REQUEST {
            let text = format!("1 to {} operations at once", limits::OPS_PER_REQUEST);
            return Err(WireError::new(ErrorCode::InvalidContent, text));
        }
        self.seen_by(user, room)?;
        let joined = self.rooms[&room].has(user);
        let role = self.rooms[&room].members[user].role;
        let mut results = Vec::with_capacity(ops.len());
        let mut refused = false;
        for op in ops {
            let id = op.id;
            let refuse = |error| OpOutcome::Refused { error };
            let outcome = match self.look_up(user, room, &op) {
                _ if refused => OpOutcome::NotTried,
                Known::Same(accepted) => accepted,
                // Who is out learns nothing of what else is in the room.
                _ if !joined => refuse(not_a_member()),
                Known::Other => refuse(WireError::new(ErrorCode::IdTaken, "another event's id")),
                Known::Nothing => match op.validate() {
                    Err(error) => {
                        refuse(WireError::new(ErrorCode::InvalidContent, error.to_string()))
                    }
                    Ok(()) => match self.judge(user, role, room, &op) {
                        Err(error) => refuse(error),
                        Ok(()) => {
                            let event = self.write(room, user, op);
                            self.keep_files(&event);
                            OpOutcome::Accepted { seq: event.seq, at: event.at }
                        }
                    },
                },
            };
            refused |= matches!(outcome, OpOutcome::Refused { .. });
            results.push(OpResult { id, outcome });
        }
        let repeats = matches!(results[0].outcome, OpOutcome::Accepted { .. });
        if joined || repeats { Ok(results) } else { Err(not_a_member()) }
    }

    /// Whether a member may have a new operation written.
    fn judge(&mut self, user: &UserId, role: Role, room: RoomId, op: &Op) -> Result<(), WireError> {
        let clock = self.clock;
        let log = &self.rooms[&room];
        log.judge_mute(user, op, clock)?;
        self.judge_block(log, user, op)?;
        log.judge(user, role, op)?;
        self.judge_files(user, op)?;
        let log = self.rooms.get_mut(&room).ok_or_else(not_a_member)?;
        log.judge_pace(user, role, op, clock)
    }

    pub(super) fn put_receipts(
        &mut self,
        user: &UserId,
        updates: Vec<ReceiptUpdate>,
    ) -> Result<(), WireError> {
        if updates.len() > limits::RECEIPTS_PER_REQUEST {
            let text = "too many receipts: send the rest later";
            return Err(WireError::new(ErrorCode::InvalidContent, text));
        }
        updates.into_iter().for_each(|update| self.take_receipt(user, update));
        Ok(())
    }

    pub(super) fn sync(
        &mut self,
        user: &UserId,
        request: SyncRequest,
    ) -> Result<SyncResponse, WireError> {
        if self.records {
            self.heard_syncs.push(request.clone());
        }
        if let Some(cursor) = &request.cursor {
            // Before the operations: a request with a cursor that is no good is refused as a whole.
            self.decode(cursor)?;
        }
        let results = request.ops.into_iter().map(|ops| self.apply(user, ops)).collect();
        self.put_receipts(user, request.receipts)?;
        let limit = request.limit.clamp(1, limits::PAGE_EVENTS);
        let page = match &request.cursor {
            Some(cursor) => Some(self.page(user, cursor, (limit, limit), &request.have)?),
            None => None,
        };
        Ok(SyncResponse {
            page,
            results,
            online: self.online,
            policy: self.policy,
            now: self.clock,
            ephemeral_members: self.ephemeral_members,
            max_upload_bytes: self.max_upload_bytes,
            ephemeral: request.watch.and_then(|_| self.ephemeral.take()),
        })
    }

    /// Carries out a user's request.
    ///
    /// # Errors
    /// The server's "no", as the wire tells it.
    pub fn answer(&mut self, user: &UserId, request: Request) -> Result<Response, RequestError> {
        Ok(match request {
            Request::Sync(sync) => Response::Sync(self.sync(user, sync)?),
            Request::Bootstrap => Response::Bootstrap(self.bootstrap(user)?),
            Request::Rooms(_) => Response::Rooms(RoomPage { rooms: Vec::new(), next: None }),
            Request::Room(room) => Response::Room(self.state_for(user, room)?),
            Request::CreateRoom(new) => Response::Room(self.create_room(user, new)?),
            Request::Members(room, _) => {
                let (log, member) = self.seen_by(user, room)?;
                if member.left.is_some() {
                    return Err(not_a_member().into());
                }
                let present = log.members.iter().filter(|(_, member)| member.left.is_none());
                let member = |(user, member): (&UserId, &super::server::Membership)| Member {
                    user: user.clone(),
                    role: member.role,
                    joined_at: 1,
                    mute: log.mute_of(user, self.clock),
                };
                Response::Members(MemberPage { members: present.map(member).collect(), next: None })
            }
            Request::Receipts(room, seq, after) => {
                Response::Receipts(self.receipts_at(user, room, seq, after.as_ref())?)
            }
            Request::AddMembers(room, new) => {
                self.moderated_by(user, room)?;
                let (log, _) = self.seen_by(user, room)?;
                let kept_out = |new: &&UserId| !log.has(new) && log.bans.contains_key(*new);
                if new.users.iter().any(|new| kept_out(&new)) {
                    return Err(WireError::new(ErrorCode::Banned, "lift the ban first").into());
                }
                for new in new.users.iter().filter(|new| !log.has(new)) {
                    self.may_bring(log.kind, user, new)?;
                }
                new.users.iter().for_each(|new| self.add_member(room, user, new));
                Response::Room(self.state_for(user, room)?)
            }
            Request::RemoveMember(room, other) => {
                if *user != other {
                    self.may_send_away(user, room, &other)?;
                }
                self.seen_by(user, room)?;
                self.remove_member(room, user, &other);
                Response::Room(self.state_for(user, room)?)
            }
            Request::SetRole(room, other, role) => {
                Response::Room(self.set_role(user, room, &other, role)?)
            }
            Request::Ban(room, other, ban) => Response::Room(self.ban(user, room, &other, ban)?),
            Request::Unban(room, other) => Response::Room(self.unban(user, room, &other)?),
            Request::Bans(room, after) => Response::Bans(self.bans(user, room, after.as_ref())?),
            Request::Mute(room, other, mute) => {
                Response::Room(self.mute(user, room, &other, mute)?)
            }
            Request::Unmute(room, other) => Response::Room(self.unmute(user, room, &other)?),
            Request::Mutes(room, after) => {
                Response::Mutes(self.mutes(user, room, after.as_ref())?)
            }
            Request::SetSlowMode(room, slow_mode) => {
                Response::Room(self.set_slow_mode(user, room, slow_mode)?)
            }
            Request::UpdateRoom(room, update) => {
                Response::Room(self.update_room(user, room, update)?)
            }
            Request::SetSettings(room, settings) => {
                Response::Settings(self.set_settings(user, room, settings)?)
            }
            Request::Report(report) => Response::ReportTaken(self.take_report(user, report)?),
            Request::Reports(room, query) => Response::Reports(self.reports_of(user, room, query)?),
            Request::ResolveReport(id) => {
                Response::Report(Box::new(self.resolve_report(user, id)?))
            }
            Request::Blocks => Response::Blocks(self.blocked_by(user)),
            Request::Block(other, query) => {
                Response::Blocks(self.set_blocked(user, &other, true, query)?)
            }
            Request::Unblock(other, query) => {
                Response::Blocks(self.set_blocked(user, &other, false, query)?)
            }
            Request::Message(room, event) => Response::History(self.message(user, room, event)?),
            Request::History(room, query) => Response::History(self.history(user, room, query)?),
            Request::Ops(room, ops) => {
                let mut sent = self.apply(user, RoomOps { room, ops: ops.ops });
                match sent.error.take() {
                    Some(error) => return Err(error.into()),
                    None => Response::Ops(sent),
                }
            }
            Request::BeginUpload(asked) => Response::Upload(self.begin_upload(user, asked)?),
            Request::CompleteUpload(id) => Response::Upload(self.complete_upload(user, id)?),
            Request::CancelUpload(id) => {
                self.cancel_upload(user, id)?;
                Response::Done
            }
            Request::Search(search) => Response::Search(self.search(user, &search)?),
            Request::File(key) => Response::File(self.file_access(user, &key)?),
            Request::Profiles(asked) => {
                let empty = |user| Profile { user, name: None, avatar_url: None, updated_at: 0 };
                let of = |user| self.profiles.get(&user).cloned().unwrap_or_else(|| empty(user));
                Response::Profiles(Profiles { profiles: asked.users.into_iter().map(of).collect() })
            }
            Request::UpdateProfile(ProfileUpdate { name, avatar_url }) => {
                let user = user.clone();
                let profile = Profile { user, name, avatar_url, updated_at: self.clock };
                self.profiles.insert(profile.user.clone(), profile.clone());
                Response::Profile(profile)
            }
        })
    }
}
