//! Tokens from the app.

use std::sync::Arc;

use tidewire::{TokenError, TokenFuture};

/// Gives tokens: the app's own way to its sign-in server. Asked ahead of expiry and after a
/// refusal, never twice at a time, and given 30 s to answer; then the client says `AuthRequired`
/// and the outbox waits.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait TokenProvider: Send + Sync {
    /// A token that is valid now.
    async fn token(&self) -> Result<String, TokenProviderError>;
}

/// The app has no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum TokenProviderError {
    /// For example: nobody is signed in, or the sign-in server was not reached.
    #[error("{reason}")]
    Unavailable {
        /// Why, for people.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for TokenProviderError {
    /// The app threw something else: as good as no token, and never the end of the app.
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable { reason: error.reason }
    }
}

/// The app's provider as the client knows one.
pub(crate) struct Provider(pub(crate) Arc<dyn TokenProvider>);

impl tidewire::TokenProvider for Provider {
    fn token(&self) -> TokenFuture {
        let app = self.0.clone();
        Box::pin(async move {
            let token = app.token().await;
            token.map_err(|TokenProviderError::Unavailable { reason }| TokenError(reason))
        })
    }
}
