//! Where tokens come from.

use std::future::Future;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use tidewire_protocol::UserId;

use crate::engine::{TokenError, TokenInfo};

/// The future of a [`TokenProvider`].
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<String, TokenError>> + Send>>;

/// Gives tokens: the app's own way to its sign-in server. Asked ahead of expiry and after a
/// refusal, never twice at a time, and given 30 s to answer.
pub trait TokenProvider: Send + Sync + 'static {
    /// A token that is valid now.
    fn token(&self) -> TokenFuture;
}

impl<F, Fut> TokenProvider for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, TokenError>> + Send + 'static,
{
    fn token(&self) -> TokenFuture {
        Box::pin(self())
    }
}

/// A token that is given once and never renewed: for tools and tests.
#[derive(Clone)]
pub struct FixedToken(pub String);

impl std::fmt::Debug for FixedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FixedToken")
    }
}

impl TokenProvider for FixedToken {
    fn token(&self) -> TokenFuture {
        let token = self.0.clone();
        Box::pin(async move { Ok(token) })
    }
}

/// What a JWT tells of itself. It is not verified: that is the server's part; the client only
/// wants to know whose it is and when to ask for the next one. Anything else than a JWT tells
/// nothing.
pub(crate) fn inspect(token: &str) -> TokenInfo {
    #[derive(serde::Deserialize)]
    struct Claims {
        sub: Option<UserId>,
        exp: Option<i64>,
    }
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|json| serde_json::from_slice::<Claims>(&json).ok());
    claims.map_or_else(TokenInfo::default, |claims| TokenInfo {
        user: claims.sub,
        expires_at: claims.exp.and_then(|exp| exp.checked_mul(1_000)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_expiry_are_read_from_a_jwt_and_from_nothing_else() {
        let payload = URL_SAFE_NO_PAD.encode(br#"{"sub":"ada","exp":1700000000}"#);
        let token = format!("e30.{payload}.sig");
        let user = Some(UserId::new("ada").unwrap());
        assert_eq!(inspect(&token), TokenInfo { user, expires_at: Some(1_700_000_000_000) });
        assert_eq!(inspect("opaque"), TokenInfo::default());
        assert_eq!(inspect("a.b.c"), TokenInfo::default());
    }
}
