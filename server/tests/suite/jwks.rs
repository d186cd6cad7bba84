//! Public keys that are fetched from where a sign-in service publishes them, over HTTP.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tidewire_protocol::ErrorCode;
use tidewire_server::auth::KeySource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Running, start_with};

/// Two keys that sign nothing but these tests: the secret, and what is published of it.
const FIRST: (&str, &str) = (
    include_str!("jwks/first.pem"),
    "jTulxNhB5RYAP7Jug0TAw89oNOaGNRouaOwzmi9ZBeRxPHKEHzLZtomPHKIgLcrK5Mig9Of0O4zp-LtmgAfGJJl180PaV0PjFQntVmEotamZeFLgLDXQFjJ2DmOnj5Odp5d6Tzuy_tZZ_72V18Vr7cBQsP5v77UXYgQRCvmrOz9C8eeFBYdEklv9w-JIUcK84N1NOrpaCfYMBpVJVHifURfNNEVlUMYoXaF3F28DrdSBe73hkKmzXlimkB7Tyg6LtG3EbiEGizOVkBV1ss_41tEHjV_cfvxC6d4GEwwaA6CGAkgWTnbgcd8ZtnISY3DOGnzgL2ITAGVbnyL8t6K3QQ",
);
const SECOND: (&str, &str) = (
    include_str!("jwks/second.pem"),
    "xv_tYArBAS7WIKA8IDTt9v-kJgQtQac-p1THVGJMzEfbmspVltVkV9xX9b7skPLLqbR9jpfHGP6twYmr565hqb65jXWDxHUfEIBs1km74Uxy1t8Fezpjk_oxkwWkyji_l4P2mPoaXGP2RAEjwUq_3JrfMmStDBjELD7Vc7KKQRagggffr_DJZip8SqqXhvqRRTivCHLNbj5MoqLqsszsutbDTJD8WX9E5mPgS0SZKUtZ_SdilcSf_CrJ6dQE8XPkehzFFw1uddIJSxonhWAsLZya9v7hnOX45LmBCbQUYfO9M6-sGoEIrhb319UlyN2YLw04mLmeA3kXWOo-LjpxQw",
);

fn jwk(id: &str, key: (&str, &str)) -> Value {
    json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": id, "n": key.1, "e": "AQAB" })
}

fn token(id: &str, key: (&str, &str)) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(id.into());
    let claims = json!({ "sub": "ada", "exp": 4_000_000_000_u64 });
    let der: String = key.0.lines().filter(|line| !line.starts_with('-')).collect();
    let key = EncodingKey::from_rsa_der(&STANDARD.decode(der).unwrap());
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

/// Where keys are published. Without any it is out of order.
struct SignIn {
    url: String,
    published: Arc<Mutex<Option<Vec<Value>>>>,
}

impl SignIn {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
        let published = Arc::new(Mutex::new(None::<Vec<Value>>));
        let keys = published.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                assert!(head[..read].starts_with(b"GET /.well-known/jwks.json HTTP/1.1\r\n"));
                let keys = keys.lock().unwrap().clone();
                let (status, body) = match keys {
                    Some(keys) => ("200 OK", json!({ "keys": keys }).to_string()),
                    None => ("503 Service Unavailable", "soon".into()),
                };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                     connection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, published }
    }

    fn publish(&self, keys: Option<Vec<Value>>) {
        *self.published.lock().unwrap() = keys;
    }
}

impl Running {
    async fn refuses(&self, token: &str) -> Option<ErrorCode> {
        let answer = self.call("GET", "/v1/bootstrap", Some(token), None).await;
        (answer.status != 200).then(|| answer.code())
    }

    /// As the pace of looks allows.
    async fn takes(&self, token: &str) {
        let taken = async {
            while self.refuses(token).await.is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(PATIENCE, taken).await.expect("the key is found");
    }
}

#[tokio::test]
async fn keys_of_a_sign_in_service_are_fetched_and_followed_when_they_rotate() {
    let sign_in = SignIn::start().await;
    // Out of order at the start: the server starts all the same.
    let url = sign_in.url.clone();
    let server = start_with(|config| config.token_keys = Some(KeySource::Url(url))).await;
    let (first, second) = (token("one", FIRST), token("two", SECOND));
    sign_in.publish(Some(vec![jwk("one", FIRST)]));
    server.takes(&first).await;
    let forged = token("one", SECOND);
    assert_eq!(server.refuses(&forged).await, Some(ErrorCode::TokenInvalid));
    assert_eq!(server.refuses(&second).await, Some(ErrorCode::TokenInvalid), "not published yet");
    // A new key beside the old one, then the old one is withdrawn; in between the service is away.
    sign_in.publish(Some(vec![jwk("one", FIRST), jwk("two", SECOND)]));
    server.takes(&second).await;
    sign_in.publish(None);
    assert_eq!(server.refuses(&first).await, None, "what is known stays good");
    assert_eq!(server.refuses(&server.token("ada")).await, None, "the secret signs as well");
    server.server.stop().await;
}
