//! HTTP requests: one call each, with a bounded answer. Only an answer with the server's own error
//! body is its "no"; whatever else comes back is network trouble.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidewire_protocol::{ErrorBody, HistoryQuery, limits};

use super::address::Address;
use super::tls;
use super::traffic::Traffic;
use crate::defaults;
use crate::engine::{Request, RequestError, Response};

/// One client's HTTP connections.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    address: Address,
    traffic: Arc<Traffic>,
}

/// Idle connections are kept a little longer than the longest usual polling interval (10 s), so
/// that polls share one, and a client with a socket soon has nothing else open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Http {
    pub(crate) fn new(address: Address, traffic: Arc<Traffic>) -> Result<Self, String> {
        let tls = (*tls::config()?).clone();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(defaults::CONNECT_TIMEOUT)
            .timeout(defaults::REQUEST_TIMEOUT)
            .pool_idle_timeout(KEEP_ALIVE)
            .pool_max_idle_per_host(1)
            // No call answers with a redirect: one comes from a captive portal.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, address, traffic })
    }

    /// Makes a request.
    pub(crate) async fn perform(
        &self,
        request: Request,
        token: &str,
    ) -> Result<Response, RequestError> {
        use Response as R;
        let none = None::<&()>;
        let call = Call { http: self, token };
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
            Request::AddMembers(room, new) => {
                let path = format!("/v1/rooms/{room}/members");
                call.make(Method::POST, &path, Some(new)).await.map(R::Room)
            }
            Request::RemoveMember(room, user) => {
                let path = format!("/v1/rooms/{room}/members/{}", escape(user.as_str()));
                call.make(Method::DELETE, &path, none).await.map(R::Room)
            }
            Request::History(room, query) => {
                let path = format!("/v1/rooms/{room}/messages{}", history_query(query));
                call.make(Method::GET, &path, none).await.map(R::History)
            }
            Request::Ops(room, ops) => {
                let path = format!("/v1/rooms/{room}/ops");
                call.make(Method::POST, &path, Some(ops)).await.map(R::Ops)
            }
            Request::Profiles(users) => {
                call.make(Method::POST, "/v1/profiles:batch", Some(users)).await.map(R::Profiles)
            }
            Request::UpdateProfile(update) => {
                call.make(Method::PUT, "/v1/profile", Some(update)).await.map(R::Profile)
            }
        }
    }
}

struct Call<'a> {
    http: &'a Http,
    token: &'a str,
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
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(body) = body {
            let json = serde_json::to_vec(body).map_err(|error| trouble(&error))?;
            self.http.traffic.sends(json.len());
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        let mut response = request.send().await.map_err(|error| trouble(&error.without_url()))?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| trouble(&error.without_url()))?
        {
            self.http.traffic.receives(chunk.len());
            if answer.len() + chunk.len() > limits::ANSWER_BYTES {
                return Err(RequestError::Network("the answer is larger than any can be".into()));
            }
            answer.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|_| {
                RequestError::Network("something else than the server answered".into())
            });
        }
        match serde_json::from_slice::<ErrorBody>(&answer) {
            Ok(body) => Err(RequestError::Refused(body.error)),
            Err(_) => Err(RequestError::Network(format!(
                "status {status} from something else than the server"
            ))),
        }
    }
}

/// The whole chain of causes: the last one is what tells.
fn trouble(error: &dyn std::error::Error) -> RequestError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    RequestError::Network(text)
}

fn history_query(query: &HistoryQuery) -> String {
    let parts = [
        query.before.map(|seq| format!("before={seq}")),
        query.after.map(|seq| format!("after={seq}")),
        query.around.map(|seq| format!("around={seq}")),
        query.limit.map(|limit| format!("limit={limit}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
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
