//! Public keys of whoever signs tokens (a JSON Web Key Set), from a file or an address, and how they change: a key
//! that is not known is looked for anew, at most as often as the pace allows, whoever asks for it.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

use super::KeyError;

/// Where the keys are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file on this machine.
    File(PathBuf),
    /// An address: `https://login.example/.well-known/jwks.json`.
    Url(String),
}

/// The least time between two looks: nobody makes this server ask more often by inventing names of keys.
const PACE: Duration = Duration::from_secs(10);
/// A key that was withdrawn is good for so long still.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How long the address may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a key set: some hundred keys.
const BYTES: usize = 256 * 1024;

/// A key of the set.
#[derive(Clone)]
struct Known {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// The keys that are published.
pub(crate) struct Jwks {
    source: KeySource,
    client: reqwest::Client,
    pace: Duration,
    known: RwLock<Arc<Vec<Known>>>,
    /// When it was looked for them last. Held over a look, so that many who ask bring one.
    looked: Mutex<Option<Instant>>,
}

impl Jwks {
    /// Reads the keys. A file must be there and hold some; an address may answer later.
    ///
    /// # Errors
    /// [`KeyError::KeySet`].
    pub(crate) async fn open(source: KeySource) -> Result<Self, KeyError> {
        Self::open_at(source, PACE).await
    }

    async fn open_at(source: KeySource, pace: Duration) -> Result<Self, KeyError> {
        let failed = |reason: String| KeyError::KeySet { at: source.clone(), reason };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // Of no effect where somebody in this process was first.
        let _ = rustls::crypto::CryptoProvider::install_default((*provider).clone());
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let jwks = Self {
            source: source.clone(),
            client,
            pace,
            known: RwLock::default(),
            looked: Mutex::new(None),
        };
        match (jwks.read().await, &source) {
            (Ok(known), _) => {
                jwks.set(known);
                *jwks.looked.lock().await = Some(Instant::now());
            }
            (Err(reason), KeySource::File(_)) => return Err(failed(reason)),
            (Err(reason), KeySource::Url(_)) => {
                tracing::warn!(reason, "the keys of tokens cannot be had yet");
            }
        }
        Ok(jwks)
    }

    /// The key that a token names, for this algorithm. Looks for it where it is not known; so does whoever comes
    /// when the last look is old.
    pub(crate) async fn key(&self, algorithm: Algorithm, id: Option<&str>) -> Option<DecodingKey> {
        let found = self.find(algorithm, id);
        let pace = if found.is_some() { FRESH } else { self.pace };
        let mut looked = match &found {
            // Who has a key does not wait for another's look.
            Some(_) => match self.looked.try_lock() {
                Ok(looked) => looked,
                Err(_) => return found,
            },
            None => self.looked.lock().await,
        };
        // Somebody may have looked while this one waited.
        let again = self.find(algorithm, id);
        if found.is_none() && again.is_some() || looked.is_some_and(|at| at.elapsed() < pace) {
            return again;
        }
        *looked = Some(Instant::now());
        match self.read().await {
            Ok(known) => self.set(known),
            // What was known stays good: who publishes them may just be restarting.
            Err(reason) => tracing::warn!(reason, "the keys of tokens cannot be had"),
        }
        self.find(algorithm, id)
    }

    fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Option<DecodingKey> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut fitting = known.iter().filter(|key| key.algorithm == algorithm);
        let found = match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id))?,
            // Without a name only where there is no choice.
            None => fitting.next().filter(|_| fitting.next().is_none())?,
        };
        Some(found.key.clone())
    }

    fn set(&self, known: Vec<Known>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
    }

    async fn read(&self) -> Result<Vec<Known>, String> {
        let bytes = match &self.source {
            KeySource::File(path) => {
                tokio::fs::read(path).await.map_err(|error| error.to_string())?
            }
            KeySource::Url(url) => {
                self.fetch(url).await.map_err(|e| e.without_url().to_string())?
            }
        };
        if bytes.len() > BYTES {
            return Err(format!("a set of keys has at most {BYTES} bytes"));
        }
        parse(&bytes)
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, reqwest::Error> {
        let mut answer = self.client.get(url).send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > BYTES {
                break;
            }
        }
        Ok(bytes)
    }
}

/// The keys that can be used; others are passed over, so that a set may hold what other services need.
fn parse(bytes: &[u8]) -> Result<Vec<Known>, String> {
    let set: JwkSet = serde_json::from_slice(bytes).map_err(|error| {
        format!("it is no set of keys: line {}, column {}", error.line(), error.column())
    })?;
    let known: Vec<Known> = set.keys.iter().filter_map(usable).collect();
    if known.is_empty() {
        return Err("it holds no public key for EdDSA (Ed25519) or RS256".into());
    }
    Ok(known)
}

/// The algorithm follows from what the key is, and from nothing that a token says. A secret that was published is
/// none: whoever reads it could sign.
fn usable(jwk: &Jwk) -> Option<Known> {
    if jwk.common.public_key_use.as_ref().is_some_and(|of| *of != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        _ => return None,
    };
    let told = jwk.common.key_algorithm.map(|told| told.to_string());
    if told.is_some_and(|told| told != format!("{algorithm:?}")) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(Known { id: jwk.common.key_id.clone(), algorithm, key })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};
    use tidewire_protocol::ErrorCode;

    use super::*;
    use crate::auth::{Keys, TokenRules, Tokens};
    use crate::clock;

    /// Two of the keys that RFC 8032 shows: the secret, and what is published of it.
    const FIRST: (&str, &str) = (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
    const SECOND: (&str, &str) = (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    );

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    fn base64(bytes: &[u8]) -> String {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }

    fn jwk(id: &str, key: (&str, &str)) -> Value {
        let x = base64(&bytes(key.1));
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x })
    }

    fn publish(path: &std::path::Path, keys: &[Value]) {
        std::fs::write(path, json!({ "keys": keys }).to_string()).unwrap();
    }

    fn claims() -> Value {
        json!({ "sub": "ada", "exp": clock::now_seconds() + 60 })
    }

    fn sign(id: Option<&str>, key: (&str, &str), claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = id.map(str::to_owned);
        // PKCS #8 around the 32 bytes.
        let mut der = bytes("302e020100300506032b657004220420");
        der.extend(bytes(key.0));
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&der)).unwrap()
    }

    async fn tokens(dir: &std::path::Path, pace: Duration, rules: TokenRules) -> Tokens {
        let source = KeySource::File(dir.join("jwks.json"));
        let jwks = Jwks::open_at(source, pace).await.unwrap();
        Tokens::new(Keys::load_or_create(dir).unwrap(), rules, Some(jwks))
    }

    async fn code(tokens: &Tokens, token: &str) -> ErrorCode {
        tokens.verify(token).await.unwrap_err().code
    }

    #[tokio::test]
    async fn a_key_that_is_published_later_is_found_and_one_that_is_withdrawn_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        publish(&path, &[jwk("one", FIRST)]);
        let tokens = tokens(dir.path(), Duration::ZERO, TokenRules::default()).await;
        let (old, new) =
            (sign(Some("one"), FIRST, &claims()), sign(Some("two"), SECOND, &claims()));
        assert_eq!(tokens.verify(&old).await.unwrap().user.as_str(), "ada");
        assert_eq!(code(&tokens, &new).await, ErrorCode::TokenInvalid);
        publish(&path, &[jwk("two", SECOND)]);
        assert!(tokens.verify(&new).await.is_ok());
        assert_eq!(code(&tokens, &old).await, ErrorCode::TokenInvalid);
        // A set that cannot be read any more changes nothing.
        std::fs::write(&path, "{").unwrap();
        assert_eq!(code(&tokens, &old).await, ErrorCode::TokenInvalid);
        assert!(tokens.verify(&new).await.is_ok());
        let own = Keys::load_or_create(dir.path()).unwrap();
        let own = own.mint(&"ada".parse().unwrap(), Duration::from_secs(60)).unwrap();
        assert!(tokens.verify(&own).await.is_ok(), "the secret signs as before");
    }

    #[tokio::test]
    async fn invented_names_of_keys_bring_no_more_looks_than_the_pace_allows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        publish(&path, &[jwk("one", FIRST)]);
        let tokens = tokens(dir.path(), Duration::from_secs(3_600), TokenRules::default()).await;
        publish(&path, &[jwk("one", FIRST), jwk("two", SECOND)]);
        for name in ["a", "b", "two"] {
            let token = sign(Some(name), SECOND, &claims());
            assert_eq!(code(&tokens, &token).await, ErrorCode::TokenInvalid, "{name}");
        }
    }

    #[tokio::test]
    async fn a_key_signs_by_its_own_algorithm_and_no_public_key_is_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        let secret =
            json!({ "kty": "oct", "kid": "s", "k": base64(b"everybody knows"), "alg": "HS256" });
        let encryption = json!({ "kty": "OKP", "crv": "Ed25519", "use": "enc", "kid": "e",
            "x": base64(&bytes(SECOND.1)) });
        publish(&dir.path().join("jwks.json"), &[jwk("one", FIRST), secret, encryption]);
        let tokens = tokens(dir.path(), Duration::ZERO, TokenRules::default()).await;
        assert!(tokens.verify(&sign(None, FIRST, &claims())).await.is_ok(), "there is only one");
        assert_eq!(
            code(&tokens, &sign(Some("one"), SECOND, &claims())).await,
            ErrorCode::TokenInvalid
        );
        assert_eq!(
            code(&tokens, &sign(Some("e"), SECOND, &claims())).await,
            ErrorCode::TokenInvalid
        );
        let x = base64(&bytes(FIRST.1));
        for secret in [b"everybody knows".to_vec(), bytes(FIRST.1), x.into_bytes()] {
            for id in [None, Some("one"), Some("s")] {
                let mut header = Header::new(Algorithm::HS256);
                header.kid = id.map(str::to_owned);
                let key = EncodingKey::from_secret(&secret);
                let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
                assert_eq!(code(&tokens, &token).await, ErrorCode::TokenInvalid, "{id:?}");
            }
        }
    }

    #[tokio::test]
    async fn issuer_audience_and_beginning_are_held_against_the_rules() {
        let dir = tempfile::tempdir().unwrap();
        publish(&dir.path().join("jwks.json"), &[jwk("one", FIRST)]);
        let rules = TokenRules { issuer: Some("login".into()), audience: Some("chat".into()) };
        let tokens = tokens(dir.path(), Duration::ZERO, rules).await;
        let now = clock::now_seconds();
        for (good, more) in [
            (true, json!({ "iss": "login", "aud": "chat" })),
            (true, json!({ "iss": "login", "aud": ["mail", "chat"], "nbf": now })),
            (false, json!({ "iss": "login" })),
            (false, json!({ "aud": "chat" })),
            (false, json!({ "iss": "other", "aud": "chat" })),
            (false, json!({ "iss": "login", "aud": "mail" })),
            (false, json!({ "iss": "login", "aud": "chat", "nbf": now + 60 })),
        ] {
            let mut all = claims();
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let verified = tokens.verify(&sign(Some("one"), FIRST, &all)).await;
            assert_eq!(verified.is_ok(), good, "{more}: {verified:?}");
        }
    }

    #[tokio::test]
    async fn the_session_of_a_token_counts_only_if_the_secret_has_signed_it() {
        let dir = tempfile::tempdir().unwrap();
        publish(&dir.path().join("jwks.json"), &[jwk("one", FIRST)]);
        let tokens = tokens(dir.path(), Duration::ZERO, TokenRules::default()).await;
        let session = tidewire_protocol::SessionId::from_uuid(uuid::Uuid::now_v7());
        let mut theirs = claims();
        theirs["sid"] = json!(session);
        theirs["gen"] = json!(9);
        let verified = tokens.verify(&sign(Some("one"), FIRST, &theirs)).await.unwrap();
        assert_eq!(verified.session, None, "a session of somebody else's sign-in");
        assert!(tokens.shown().take().is_empty());
        let (own, _) = tokens.mint(&verified.user, Duration::from_secs(60), (session, 2)).unwrap();
        assert_eq!(tokens.verify(&own).await.unwrap().session, Some((session, 2)));
        assert_eq!(tokens.shown().take(), [(session, 2)]);
    }

    #[tokio::test]
    async fn a_set_without_a_key_that_can_be_used_is_told_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        for text in ["", "[]", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"] {
            std::fs::write(&path, text).unwrap();
            let opened = Jwks::open(KeySource::File(path.clone())).await;
            assert!(matches!(opened, Err(KeyError::KeySet { .. })), "{text}");
        }
    }
}
