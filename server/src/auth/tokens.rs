//! Whose token it is, whoever has signed it: the secret of this server, or a key of those that the app's own sign-in
//! publishes. Which key is asked follows from the algorithm alone, so that a public key is never taken for a secret.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::Value;
use tidewire_protocol::{ErrorCode, SessionId, UserId, WireError};

use super::jwks::Jwks;
use super::{Keys, Revoked, Shown, Verified};

/// How far the clock of whoever mints tokens may be off, in seconds.
const LEEWAY_SECONDS: u64 = 2;

/// What a token has to say besides whose it is and when it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRules {
    /// Who must have issued it (`iss`). `None` takes any, and none.
    pub issuer: Option<String>,
    /// For whom it must be (`aud`). `None` takes any, and none: an app's backend may mint one token for several
    /// services.
    pub audience: Option<String>,
}

impl TokenRules {
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.validate_aud = self.audience.is_some();
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        validation
    }
}

/// What a token has to say, whoever minted it.
#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    exp: u64,
    // Whatever others put there: what makes no sense counts as not there.
    #[serde(default)]
    iat: Value,
    #[serde(default)]
    jti: Value,
    #[serde(default)]
    sid: Value,
    #[serde(default, rename = "gen")]
    generation: Value,
}

/// Checks tokens.
pub(crate) struct Tokens {
    keys: Keys,
    rules: TokenRules,
    jwks: Option<Jwks>,
    revoked: Arc<Revoked>,
    shown: Shown,
}

impl Tokens {
    pub(crate) fn new(keys: Keys, rules: TokenRules, jwks: Option<Jwks>) -> Self {
        Self { keys, rules, jwks, revoked: Revoked::none(), shown: Shown::default() }
    }

    /// A token of a session of this server's own, and when it ends, in seconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`].
    pub(crate) fn mint(
        &self,
        user: &UserId,
        ttl: Duration,
        session: (SessionId, u32),
    ) -> Result<(String, u64), WireError> {
        self.keys.mint_session(&self.rules, user, ttl, session).map_err(|error| {
            tracing::error!(%error, "a token cannot be signed");
            WireError::new(ErrorCode::Internal, "the server failed: try again later")
        })
    }

    /// Which tokens of sessions were shown.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The tokens that are not good any more.
    pub(crate) fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// Whose token this is. Waits for the network where it names a key that is not known yet.
    ///
    /// # Errors
    /// [`ErrorCode::TokenExpired`] or [`ErrorCode::TokenInvalid`].
    pub(crate) async fn verify(&self, token: &str) -> Result<Verified, WireError> {
        // `none`, and whatever else is no signature, is no algorithm to the library.
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let verified = self.signed(token, header).await?;
        self.revoked.check(&verified)?;
        if let Some((session, generation)) = verified.session {
            self.shown.note(session, generation);
        }
        Ok(verified)
    }

    async fn signed(&self, token: &str, header: Header) -> Result<Verified, WireError> {
        match (header.alg, &self.jwks) {
            (Algorithm::HS256, _) => check(token, &self.keys.decoding, header.alg, &self.rules),
            (algorithm, Some(jwks)) => {
                let key = jwks.key(algorithm, header.kid.as_deref()).await.ok_or_else(invalid)?;
                check(token, &key, algorithm, &self.rules)
            }
            (_, None) => Err(invalid()),
        }
    }
}

/// Whose token this is, if this key has signed it.
pub(super) fn check(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
    rules: &TokenRules,
) -> Result<Verified, WireError> {
    match jsonwebtoken::decode::<Claims>(token, key, &rules.validation(algorithm)) {
        Ok(data) => Ok(verified(data.claims, algorithm)),
        Err(error) => Err(match error.kind() {
            ErrorKind::ExpiredSignature => Keys::expired(),
            ErrorKind::ImmatureSignature => refuse("this token does not hold yet"),
            ErrorKind::InvalidIssuer => refuse("this token was issued by somebody else"),
            ErrorKind::InvalidAudience => refuse("this token is for another service"),
            _ => invalid(),
        }),
    }
}

fn verified(claims: Claims, algorithm: Algorithm) -> Verified {
    let Claims { sub: user, exp: expires, iat, jti, sid, generation } = claims;
    let issued = iat.as_u64().or_else(|| iat.as_f64().map(|seconds| seconds as u64));
    let id = match jti {
        Value::String(id) => Some(id),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    // Others have sessions of their own (`sid` of OpenID Connect), which are none of this server's.
    let sid = sid.as_str().filter(|_| algorithm == Algorithm::HS256);
    let sid = sid.and_then(|sid| sid.parse().ok());
    let generation = generation.as_u64().and_then(|generation| u32::try_from(generation).ok());
    let session = sid.zip(generation);
    Verified { user, expires, issued: issued.unwrap_or(0), id, session }
}

fn invalid() -> WireError {
    refuse("this server did not sign this token: get another one")
}

fn refuse(text: &str) -> WireError {
    WireError::new(ErrorCode::TokenInvalid, text)
}
