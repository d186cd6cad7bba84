//! HTTP requests: one call each, with a bounded answer. Only an answer with the server's own error
//! body is its "no"; whatever else comes back is network trouble.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidewire_protocol::{
    BlockQuery, ErrorBody, ErrorCode, EventsQuery, HistoryQuery, SearchRequest, UserId, WireError,
    limits,
};

use super::address::Address;
use super::tls::Trust;
use super::traffic::Traffic;
use crate::defaults;
use crate::engine::{Request, RequestError, Response};

/// One client's HTTP connections.
#[derive(Debug)]
pub(crate) struct Http {
    pub(super) client: Client,
    /// Made with the first file: it unpacks nothing.
    files: OnceLock<Result<Client, String>>,
    pub(super) address: Address,
    pub(super) traffic: Arc<Traffic>,
}

/// Idle connections are kept a little longer than the longest usual polling interval (10 s), so
/// that polls share one, and a client with a socket soon has nothing else open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

fn client(trust: &Trust, unpacks: bool) -> Result<Client, String> {
    let tls = (*trust.config()?).clone();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(defaults::CONNECT_TIMEOUT)
        .pool_idle_timeout(KEEP_ALIVE)
        .pool_max_idle_per_host(1)
        // No call answers with a redirect, and no address of a file: one comes from a captive portal.
        .redirect(reqwest::redirect::Policy::none())
        .gzip(unpacks)
        .build()
        .map_err(|error| error.to_string())
}

impl Http {
    pub(crate) fn new(address: Address, traffic: Arc<Traffic>) -> Result<Self, String> {
        let client = client(&address.trust, true)?;
        Ok(Self { client, files: OnceLock::new(), address, traffic })
    }

    /// The connections to where files are.
    pub(super) fn files(&self) -> Result<&Client, String> {
        let made = || client(&self.address.trust, false);
        self.files.get_or_init(made).as_ref().map_err(Clone::clone)
    }

    /// The whole of an address of a file: one that begins with `/` is on the server itself.
    pub(super) fn resolve(&self, url: &str) -> String {
        if url.starts_with('/') { self.address.http(url) } else { url.to_owned() }
    }

    /// Makes a request.
    pub(crate) async fn perform(
        &self,
        request: Request,
        token: &str,
    ) -> Result<Response, RequestError> {
        use Response as R;
        let none = None::<&()>;
        let patience = match &request {
            // The server reads the whole file meanwhile.
            Request::CompleteUpload(_) => defaults::COMPLETE_TIMEOUT,
            _ => defaults::REQUEST_TIMEOUT,
        };
        let call = Call { http: self, token, patience };
        match &request {
            Request::Sync(sync) => {
                call.make(Method::POST, "/v1/sync", Some(sync)).await.map(R::Sync)
            }
            Request::Bootstrap => {
                call.make(Method::GET, "/v1/bootstrap", none).await.map(R::Bootstrap)
            }
            Request::Rooms(after) => {
                let path = format!("/v1/rooms?after={}", escape(after));
                call.make(Method::GET, &path, none).await.map(R::Rooms)
            }
            Request::Room(room) => {
                call.make(Method::GET, &format!("/v1/rooms/{room}"), none).await.map(R::Room)
            }
            Request::CreateRoom(new) => {
                call.make(Method::POST, "/v1/rooms", Some(new)).await.map(R::Room)
            }
            Request::Members(room, after) => {
                let after = after.as_ref().map(|user| format!("?after={}", escape(user.as_str())));
                let path = format!("/v1/rooms/{room}/members{}", after.unwrap_or_default());
                call.make(Method::GET, &path, none).await.map(R::Members)
            }
            Request::Receipts(room, seq, after) => {
                let after = after.as_ref().map(|user| format!("&after={}", escape(user.as_str())));
                let after = after.unwrap_or_default();
                let path = format!("/v1/rooms/{room}/receipts?seq={seq}{after}");
                call.make(Method::GET, &path, none).await.map(R::Receipts)
            }
            Request::AddMembers(room, new) => {
                let path = format!("/v1/rooms/{room}/members");
                call.make(Method::POST, &path, Some(new)).await.map(R::Room)
            }
            Request::RemoveMember(room, user) => {
                let path = format!("/v1/rooms/{room}/members/{}", escape(user.as_str()));
                call.make(Method::DELETE, &path, none).await.map(R::Room)
            }
            Request::SetRole(room, user, update) => {
                let path = format!("/v1/rooms/{room}/members/{}", escape(user.as_str()));
                call.make(Method::PUT, &path, Some(update)).await.map(R::Room)
            }
            Request::Ban(room, user, ban) => {
                let path = format!("/v1/rooms/{room}/bans/{}", escape(user.as_str()));
                call.make(Method::PUT, &path, Some(ban)).await.map(R::Room)
            }
            Request::Unban(room, user) => {
                let path = format!("/v1/rooms/{room}/bans/{}", escape(user.as_str()));
                call.make(Method::DELETE, &path, none).await.map(R::Room)
            }
            Request::Bans(room, after) => {
                let after = after.as_ref().map(|user| format!("?after={}", escape(user.as_str())));
                let path = format!("/v1/rooms/{room}/bans{}", after.unwrap_or_default());
                call.make(Method::GET, &path, none).await.map(R::Bans)
            }
            Request::Mute(room, user, mute) => {
                let path = format!("/v1/rooms/{room}/mutes/{}", escape(user.as_str()));
                call.make(Method::PUT, &path, Some(mute)).await.map(R::Room)
            }
            Request::Unmute(room, user) => {
                let path = format!("/v1/rooms/{room}/mutes/{}", escape(user.as_str()));
                call.make(Method::DELETE, &path, none).await.map(R::Room)
            }
            Request::Mutes(room, after) => {
                let after = after.as_ref().map(|user| format!("?after={}", escape(user.as_str())));
                let path = format!("/v1/rooms/{room}/mutes{}", after.unwrap_or_default());
                call.make(Method::GET, &path, none).await.map(R::Mutes)
            }
            Request::SetSlowMode(room, slow_mode) => {
                let path = format!("/v1/rooms/{room}/slow_mode");
                call.make(Method::PUT, &path, Some(slow_mode)).await.map(R::Room)
            }
            Request::UpdateRoom(room, update) => call
                .make(Method::PUT, &format!("/v1/rooms/{room}"), Some(update))
                .await
                .map(R::Room),
            Request::SetSettings(room, settings) => {
                let path = format!("/v1/rooms/{room}/settings");
                call.make(Method::PUT, &path, Some(settings)).await.map(R::Settings)
            }
            Request::Report(report) => {
                call.make(Method::POST, "/v1/reports", Some(report)).await.map(R::ReportTaken)
            }
            Request::Reports(room, query) => {
                let after = query.after.map(|after| format!("after={after}"));
                let all = query.all.then(|| "all=true".to_owned());
                let query: Vec<String> = after.into_iter().chain(all).collect();
                let path = format!("/v1/rooms/{room}/reports?{}", query.join("&"));
                call.make(Method::GET, &path, none).await.map(R::Reports)
            }
            Request::ResolveReport(id) => {
                let path = format!("/v1/reports/{id}/resolve");
                let report = call.make(Method::POST, &path, none).await;
                report.map(|report| R::Report(Box::new(report)))
            }
            Request::Blocks => call.make(Method::GET, "/v1/blocks", none).await.map(R::Blocks),
            Request::Block(user, query) => {
                call.make(Method::PUT, &block_path(user, *query), none).await.map(R::Blocks)
            }
            Request::Unblock(user, query) => {
                call.make(Method::DELETE, &block_path(user, *query), none).await.map(R::Blocks)
            }
            Request::Message(room, event) => {
                let path = format!("/v1/rooms/{room}/messages/{event}");
                call.make(Method::GET, &path, none).await.map(R::History)
            }
            Request::History(room, query) => {
                let path = format!("/v1/rooms/{room}/messages{}", history_query(query));
                call.make(Method::GET, &path, none).await.map(R::History)
            }
            Request::Ops(room, ops) => {
                let path = format!("/v1/rooms/{room}/ops");
                call.make(Method::POST, &path, Some(ops)).await.map(R::Ops)
            }
            Request::File(key) => {
                call.make(Method::GET, &format!("/v1/files/{key}"), none).await.map(R::File)
            }
            Request::Search(search) => {
                let path = format!("/v1/search{}", search_query(search));
                call.make(Method::GET, &path, none).await.map(R::Search)
            }
            Request::Profiles(users) => {
                call.make(Method::POST, "/v1/profiles:batch", Some(users)).await.map(R::Profiles)
            }
            Request::BeginUpload(asked) => {
                call.make(Method::POST, "/v1/uploads", Some(asked)).await.map(R::Upload)
            }
            Request::CompleteUpload(id) => {
                let path = format!("/v1/uploads/{id}/complete");
                call.make(Method::POST, &path, none).await.map(R::Upload)
            }
            Request::CancelUpload(id) => {
                let path = format!("/v1/uploads/{id}");
                let answer = call.make::<(), serde_json::Value>(Method::DELETE, &path, none);
                answer.await.map(|_| R::Done)
            }
            Request::UpdateProfile(update) => {
                call.make(Method::PUT, "/v1/profile", Some(update)).await.map(R::Profile)
            }
        }
    }
}

impl Http {
    /// Opens an event stream: what comes is the answer's head, the rest is to be read as it comes.
    /// Waits for the head for as long as the caller does.
    pub(super) async fn events(
        &self,
        query: &EventsQuery,
        token: &str,
    ) -> Result<reqwest::Response, RequestError> {
        const STREAM: &str = "text/event-stream";
        let request = self
            .client
            .get(self.address.http(&format!("/v1/events{}", events_query(query))))
            .header(ACCEPT, STREAM)
            // What is packed is often kept back until there is more to pack.
            .header(ACCEPT_ENCODING, "identity")
            .header(AUTHORIZATION, format!("Bearer {token}"));
        let mut response = request.send().await.map_err(|error| trouble(&error.without_url()))?;
        if !response.status().is_success() {
            let whole = self.whole(&mut response);
            let answer = tokio::time::timeout(defaults::REQUEST_TIMEOUT, whole).await;
            let late = |_| RequestError::Network("no whole answer in time".into());
            return Err(refusal(response.status(), &answer.map_err(late)??));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if kind.trim().eq_ignore_ascii_case(STREAM) { Ok(response) } else { Err(somebody_else()) }
    }

    /// The body of an answer, bounded.
    async fn whole(&self, response: &mut reqwest::Response) -> Result<Vec<u8>, RequestError> {
        let mut answer = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| trouble(&error.without_url()))?
        {
            self.traffic.receives(chunk.len());
            if answer.len() + chunk.len() > limits::ANSWER_BYTES {
                return Err(RequestError::Network("the answer is larger than any can be".into()));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

fn events_query(query: &EventsQuery) -> String {
    let cursor = query.cursor.as_ref();
    let cursor = cursor.map(|cursor| format!("cursor={}&", escape(cursor.as_str())));
    let (state, heartbeat) = (query.app_state.as_str(), query.heartbeat_ms);
    let device =
        if query.device == 0 { String::new() } else { format!("&device={}", query.device) };
    let watch: Vec<String> = query.watch.iter().map(ToString::to_string).collect();
    let watch =
        if watch.is_empty() { String::new() } else { format!("&watch={}", watch.join(",")) };
    let cursor = cursor.unwrap_or_default();
    format!("?{cursor}app_state={state}&heartbeat_ms={heartbeat}{device}{watch}")
}

struct Call<'a> {
    http: &'a Http,
    token: &'a str,
    /// Time for the whole of it.
    patience: Duration,
}

impl Call<'_> {
    async fn make<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, RequestError> {
        let url = self.http.address.http(path);
        let mut request = self
            .http
            .client
            .request(method, url)
            .timeout(self.patience)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(body) = body {
            let json = serde_json::to_vec(body).map_err(|error| trouble(&error))?;
            self.http.traffic.sends(json.len());
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        let mut response = request.send().await.map_err(|error| trouble(&error.without_url()))?;
        let answer = self.http.whole(&mut response).await?;
        if response.status().is_success() {
            return serde_json::from_slice(&answer).map_err(|_| somebody_else());
        }
        Err(refusal(response.status(), &answer))
    }
}

fn somebody_else() -> RequestError {
    RequestError::Network("something else than the server answered".into())
}

/// What an answer that is no success says: the server's "no", or somebody else's.
fn refusal(status: StatusCode, answer: &[u8]) -> RequestError {
    match serde_json::from_slice::<ErrorBody>(answer) {
        Ok(body) => RequestError::Refused(as_status_says(status, body.error)),
        Err(_) => {
            RequestError::Network(format!("status {status} from something else than the server"))
        }
    }
}

/// What a code of a newer server means is told by the status.
fn as_status_says(status: StatusCode, mut error: WireError) -> WireError {
    error.temporary |= matches!(status.as_u16(), 408 | 425 | 429 | 500..);
    if status == StatusCode::UNAUTHORIZED && error.code.status() != status.as_u16() {
        error.code = ErrorCode::TokenInvalid;
    }
    error
}

/// The whole chain of causes: the last one is what tells.
pub(super) fn trouble(error: &dyn std::error::Error) -> RequestError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    RequestError::Network(text)
}

fn block_path(user: &UserId, query: BlockQuery) -> String {
    let version = query.version.map_or_else(String::new, |version| format!("?version={version}"));
    format!("/v1/blocks/{}{version}", escape(user.as_str()))
}

fn history_query(query: &HistoryQuery) -> String {
    let parts = [
        query.before.map(|seq| format!("before={seq}")),
        query.after.map(|seq| format!("after={seq}")),
        query.around.map(|seq| format!("around={seq}")),
        query.thread.map(|root| format!("thread={root}")),
        query.limit.map(|limit| format!("limit={limit}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

fn search_query(search: &SearchRequest) -> String {
    let SearchRequest { q, room, sender, limit, after } = search;
    let parts = [
        room.map(|room| format!("&room={room}")),
        sender.as_ref().map(|sender| format!("&sender={}", escape(sender.as_str()))),
        limit.map(|limit| format!("&limit={limit}")),
        after.as_ref().map(|after| format!("&after={}", escape(after))),
    ];
    let parts: String = parts.into_iter().flatten().collect();
    format!("?q={}{parts}", escape(q))
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_can_not_break_out_of_its_place_in_a_path() {
        assert_eq!(escape("a/b?c=ü~"), "a%2Fb%3Fc%3D%C3%BC~");
    }

    #[test]
    fn a_code_of_a_newer_server_is_taken_for_what_its_status_says() {
        let answer = br#"{"error": {"code": "of_tomorrow", "message": "new"}}"#;
        let told = |status: u16| match refusal(StatusCode::from_u16(status).unwrap(), answer) {
            RequestError::Refused(error) => error,
            other => panic!("{other}"),
        };
        for status in [408, 425, 429, 500, 502, 503] {
            assert!(told(status).temporary, "{status}");
        }
        for status in [400, 403, 404, 409, 413, 422] {
            assert!(!told(status).temporary, "{status}");
        }
        assert_eq!(told(401).code, ErrorCode::TokenInvalid, "another token is asked for");
        let page = refusal(StatusCode::FORBIDDEN, b"<p>Please pay.</p>");
        assert!(matches!(page, RequestError::Network(_)), "{page}");
    }

    #[tokio::test]
    async fn the_bytes_of_bodies_are_counted_also_those_of_answers_that_are_none() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        const PAGE: &str = "<p>Please accept our terms.</p>";
        const BODY: &str = r#"{"users":["ada"]}"#;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let portal = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ";
            let mut asked = Vec::new();
            while !asked.ends_with(BODY.as_bytes()) {
                assert!(stream.read_buf(&mut asked).await.unwrap() > 0, "no more comes");
            }
            let answer = format!("{head}{}\r\n\r\n{PAGE}", PAGE.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let traffic = Arc::new(Traffic::default());
        let http = Http::new(Address::parse(&url).unwrap(), traffic.clone()).unwrap();
        let users = vec!["ada".parse().unwrap()];
        let request = Request::Profiles(tidewire_protocol::ProfilesRequest { users });
        http.perform(request, "").await.unwrap_err();
        portal.await.unwrap();
        let total = traffic.total();
        assert_eq!((total.sent, total.received), (BODY.len() as u64, PAGE.len() as u64));
    }
}
