//! What the model server finds: by reading through everything, with the same terms as the real one.

use tidewire_protocol::{
    ErrorCode, Event, EventKind, MessageContent, SearchRequest, SearchResults, SearchTerms, UserId,
    WireError, limits,
};

use super::server::ModelServer;

impl ModelServer {
    pub(super) fn search(
        &self,
        user: &UserId,
        request: &SearchRequest,
    ) -> Result<SearchResults, WireError> {
        let invalid = |text: String| WireError::new(ErrorCode::InvalidContent, text);
        let terms = SearchTerms::parse(&request.q).map_err(|error| invalid(error.to_string()))?;
        let limit = request.limit.unwrap_or(limits::SEARCH_DEFAULT).clamp(1, limits::SEARCH_MAX);
        let below = match &request.after {
            Some(after) => after.parse().map_err(|_| {
                WireError::new(ErrorCode::BadRequest, "`after` is not what a page has given")
            })?,
            None => u64::MAX,
        };
        let rooms = match request.room {
            Some(room) => vec![self.seen_by(user, room)?],
            None => self.rooms.keys().filter_map(|room| self.seen_by(user, *room).ok()).collect(),
        };
        let mut found: Vec<(u64, Event)> = Vec::new();
        for (room, member) in rooms {
            let as_of = room.last_seen_by(member);
            for (event, ord) in room.log.iter().zip(&room.ords) {
                let sought = event.kind == EventKind::Message
                    && event.seq <= as_of
                    && *ord < below
                    && request.sender.as_ref().is_none_or(|sender| *sender == event.sender);
                if !sought {
                    continue;
                }
                let event = room.folded(event, as_of, user);
                let text = event.content.parse::<MessageContent>().map(|content| content.text);
                if text.is_ok_and(|text| terms.find(&text).is_some()) {
                    found.push((*ord, event));
                }
            }
        }
        found.sort_unstable_by_key(|(ord, _)| std::cmp::Reverse(*ord));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(ord, _)| ord.to_string());
        let messages = found.into_iter().map(|(_, event)| event).collect();
        Ok(SearchResults { messages, next, indexing: false })
    }
}
