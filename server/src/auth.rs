//! Tokens: who may speak as whom. `tokens` checks them, `jwks` has the public keys of whoever else signs them; here is
//! the secret, which mints them too.

mod jwks;
mod revoked;
mod shown;
mod tokens;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;
use tidewire_protocol::{ErrorCode, SessionId, UserId, WireError};

use crate::clock;

pub use jwks::KeySource;
pub use revoked::Revocation;
pub use tokens::TokenRules;

pub(crate) use jwks::Jwks;
pub(crate) use revoked::{Mark, Revoked, keep};
pub(crate) use shown::Shown;
pub(crate) use tokens::Tokens;

/// Bytes of the secret (256 bits, the size of the hash of HS256).
const SECRET_BYTES: usize = 32;

/// Why the secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can neither be read nor written.
    #[error("the secret file {path}: {source}; give a folder that this user may write to", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is there and holds no secret.
    #[error(
        "the secret file {path} does not hold 64 hexadecimal digits: restore it, or delete it to \
         have a new one made, which makes every token given so far invalid",
        path = path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file, where one is needed.
    #[error("there is no secret file {path}: give the one of the server, or none", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The public keys of tokens cannot be had.
    #[error("the keys of tokens ({at:?}): {reason}; give a JSON Web Key Set")]
    KeySet {
        /// Where they should be.
        at: KeySource,
        /// What is wrong.
        reason: String,
    },
    /// The token cannot be signed.
    #[error("the token cannot be signed: {0}")]
    Sign(jsonwebtoken::errors::Error),
}

/// What a token of ours says.
#[derive(Serialize)]
struct Minted<'a> {
    sub: &'a UserId,
    exp: u64,
    iat: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(rename = "gen", skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
}

/// A token that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub user: UserId,
    /// When it ends, in seconds since 1970-01-01 UTC.
    pub expires: u64,
    /// When it was issued (`iat`), in the same; 0 if it does not say.
    pub issued: u64,
    /// Its own id (`jti`), if it has one.
    pub id: Option<String>,
    /// The session of an account that it is of (`sid`), and of which generation of its tokens (`gen`). None of a token
    /// that the secret has not signed, whatever that says.
    pub session: Option<(SessionId, u32)>,
}

/// The secret that signs tokens and cursors.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// use std::time::Duration;
/// use tidewire_server::auth::Keys;
///
/// let keys = Keys::load_or_create(folder.path()).unwrap();
/// let ada = "ada".parse().unwrap();
/// let token = keys.mint(&ada, Duration::from_secs(3600)).unwrap();
/// assert_eq!(keys.verify(&token).unwrap().user, ada);
/// ```
#[derive(Clone)]
pub struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for Keys {
    /// The secret never stands in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// The keys of the data folder `dir`: its `secret.key`, made with mode 0600 if missing, the
    /// folder too. Waits for the disk.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(dir: &Path) -> Result<Self, KeyError> {
        Self::load_or_create_file(&dir.join("secret.key"))
    }

    /// The same with a file anywhere.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create_file(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.to_owned(), source };
        if let Some(keys) = Self::load(path)? {
            return Ok(keys);
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(KeyError::Random)?;
        // Written aside and linked into place: whoever else starts at the same moment finds
        // either no file or a whole one, and both end with the same secret.
        let aside = path.with_extension(format!("new-{}", uuid::Uuid::now_v7()));
        let written =
            write_private(&aside, &hex(&secret)).and_then(|()| match fs::hard_link(&aside, path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            });
        let removed = fs::remove_file(&aside);
        written.map_err(io)?;
        removed.map_err(io)?;
        Self::load(path)?.ok_or_else(|| KeyError::Malformed { path: path.to_owned() })
    }

    /// The keys of a file that has to be there: where a new secret would be one that nobody else knows.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_file(path: &Path) -> Result<Self, KeyError> {
        Self::load(path)?.ok_or_else(|| KeyError::Missing { path: path.to_owned() })
    }

    fn load(path: &Path) -> Result<Option<Self>, KeyError> {
        match fs::read_to_string(path) {
            Ok(text) => match unhex(text.trim()) {
                Some(secret) => Ok(Some(Self::from_secret(secret))),
                None => Err(KeyError::Malformed { path: path.to_owned() }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(KeyError::Malformed { path: path.to_owned() })
            }
            Err(source) => Err(KeyError::Io { path: path.to_owned(), source }),
        }
    }

    fn from_secret(secret: [u8; SECRET_BYTES]) -> Self {
        Self {
            encoding: EncodingKey::from_secret(&secret),
            decoding: DecodingKey::from_secret(&secret),
            secret,
        }
    }

    /// The secret itself, for what else is signed with it.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// A token for `user` that ends after `ttl` (whole seconds).
    ///
    /// # Errors
    /// [`KeyError::Sign`].
    pub fn mint(&self, user: &UserId, ttl: Duration) -> Result<String, KeyError> {
        self.mint_by(&TokenRules::default(), user, ttl)
    }

    /// The same, with the issuer and the audience that a server with these rules asks for.
    ///
    /// # Errors
    /// [`KeyError::Sign`].
    pub fn mint_by(
        &self,
        rules: &TokenRules,
        user: &UserId,
        ttl: Duration,
    ) -> Result<String, KeyError> {
        Ok(self.sign(rules, user, ttl, None)?.0)
    }

    /// A token of a session, and when it ends, in seconds.
    pub(crate) fn mint_session(
        &self,
        rules: &TokenRules,
        user: &UserId,
        ttl: Duration,
        session: (SessionId, u32),
    ) -> Result<(String, u64), KeyError> {
        self.sign(rules, user, ttl, Some(session))
    }

    fn sign(
        &self,
        rules: &TokenRules,
        user: &UserId,
        ttl: Duration,
        session: Option<(SessionId, u32)>,
    ) -> Result<(String, u64), KeyError> {
        let iat = clock::now_seconds();
        let (iss, aud) = (rules.issuer.as_deref(), rules.audience.as_deref());
        let (exp, jti) = (iat.saturating_add(ttl.as_secs()), uuid::Uuid::now_v7().to_string());
        let (sid, generation) = session.unzip();
        let claims = Minted { sub: user, exp, iat, jti, iss, aud, sid, generation };
        let header = Header::new(Algorithm::HS256);
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding);
        Ok((token.map_err(KeyError::Sign)?, exp))
    }

    /// Whose token of the secret's this is, whoever issued it for whatever.
    ///
    /// # Errors
    /// [`ErrorCode::TokenExpired`] or [`ErrorCode::TokenInvalid`].
    pub fn verify(&self, token: &str) -> Result<Verified, WireError> {
        tokens::check(token, &self.decoding, Algorithm::HS256, &TokenRules::default())
    }

    /// What a caller hears whose token was good and has ended.
    pub(crate) fn expired() -> WireError {
        WireError::new(ErrorCode::TokenExpired, "the token has expired: get another one")
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; SECRET_BYTES]> {
    if text.len() != SECRET_BYTES * 2 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; SECRET_BYTES];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn sign(keys: &Keys, claims: Value) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &keys.encoding).unwrap()
    }

    #[test]
    fn the_secret_survives_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let token = Keys::load_or_create(&data)
            .unwrap()
            .mint(&user("ada"), Duration::from_secs(60))
            .unwrap();
        assert_eq!(Keys::load_or_create(&data).unwrap().verify(&token).unwrap().user, user("ada"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(data.join("secret.key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "nothing is left beside the secret");
    }

    #[test]
    fn a_damaged_secret_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret.key"), "short").unwrap();
        assert!(matches!(Keys::load_or_create(dir.path()), Err(KeyError::Malformed { .. })));
        assert_eq!(fs::read_to_string(dir.path().join("secret.key")).unwrap(), "short");
    }

    #[test]
    fn foreign_expired_and_broken_tokens_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(dir.path()).unwrap();
        let other = Keys::load_or_create(&dir.path().join("other")).unwrap();
        let code = |token: &str| keys.verify(token).unwrap_err().code;
        let foreign = other.mint(&user("ada"), Duration::from_secs(60)).unwrap();
        assert_eq!(code(&foreign), ErrorCode::TokenInvalid);
        assert_eq!(code("no.token.atall"), ErrorCode::TokenInvalid);
        let old = sign(&keys, json!({ "sub": "ada", "exp": clock::now_seconds() - 10 }));
        assert_eq!(code(&old), ErrorCode::TokenExpired);
        let exp = clock::now_seconds() + 60;
        for incomplete in [json!({ "sub": "ada" }), json!({ "exp": exp })] {
            assert_eq!(code(&sign(&keys, incomplete)), ErrorCode::TokenInvalid);
        }
    }

    #[test]
    fn claims_beside_sub_and_exp_are_ignored_whatever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(dir.path()).unwrap();
        let exp = clock::now_seconds() + 60;
        for other in [
            json!({ "iat": 1_760_000_000.25 }),
            json!({ "iat": "yesterday", "jti": 7, "nbf": exp - 120 }),
            json!({ "aud": "another service", "iss": "the app" }),
            json!({ "aud": ["a", "b"], "iss": ["c"] }),
            json!({ "aud": { "odd": true }, "iss": 1, "roles": [{}] }),
        ] {
            let mut claims = json!({ "sub": "ada", "exp": exp });
            claims.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
            let token = sign(&keys, claims.clone());
            let verified = keys.verify(&token).unwrap_or_else(|error| panic!("{claims}: {error}"));
            assert_eq!((verified.user, verified.expires), (user("ada"), exp));
        }
    }
}
