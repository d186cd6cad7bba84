//! Accounts, where the server keeps them itself: who may sign in, and the sessions of those who have.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{SessionId, UserId, limits};

/// A text that nobody but the two ends may see: never shown.
///
/// ```
/// use tidewire_protocol::SecretText;
///
/// let password = SecretText::from("correct horse");
/// assert_eq!(format!("{password:?}"), "SecretText");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself.
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for SecretText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// Why an account or a session may not be as was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccount {
    /// The user id is one that an account may not have.
    #[error("the user id of an account has `a-z`, `0-9` and `._@+-` alone")]
    User,
    /// The password is too short or too long.
    #[error(
        "a password has {} to {} bytes of UTF-8",
        limits::PASSWORD_LEAST_BYTES,
        limits::PASSWORD_BYTES
    )]
    Password,
    /// The name is too long, or holds U+0000.
    #[error("a name has at most {} bytes, and no U+0000", limits::NAME_BYTES)]
    Name,
    /// The name of the device is none.
    #[error("a device has 1 to {} bytes without control characters", limits::DEVICE_BYTES)]
    Device,
}

/// `POST /v1/accounts`: makes an account. Answers with the [`Profile`](crate::Profile) that it begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccount {
    /// Who it is to be: `a-z`, `0-9` and `._@+-` alone, so that no two look alike.
    pub user: UserId,
    /// What opens it: 8 bytes to 1 KiB.
    pub password: SecretText,
    /// The name of the profile, at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl NewAccount {
    /// Whether it may be as it is.
    ///
    /// # Errors
    /// [`InvalidAccount`].
    pub fn validate(&self) -> Result<(), InvalidAccount> {
        let plain = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9') || b"._@+-".contains(&c);
        if !self.user.as_str().bytes().all(plain) {
            return Err(InvalidAccount::User);
        }
        let fits = |name: &String| name.len() <= limits::NAME_BYTES && !name.contains('\0');
        if !self.name.as_ref().is_none_or(fits) {
            return Err(InvalidAccount::Name);
        }
        check_password(&self.password)
    }
}

/// Whether a password may be: 8 bytes to 1 KiB.
///
/// # Errors
/// [`InvalidAccount::Password`].
pub fn check_password(password: &SecretText) -> Result<(), InvalidAccount> {
    let bytes = limits::PASSWORD_LEAST_BYTES..=limits::PASSWORD_BYTES;
    if bytes.contains(&password.get().len()) { Ok(()) } else { Err(InvalidAccount::Password) }
}

/// `POST /v1/sessions`: signs in. Answers with [`SessionTokens`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSession {
    /// Who.
    pub user: UserId,
    /// The password of the account.
    pub password: SecretText,
    /// What the user knows the device by, for the list of sessions: 1 to 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl NewSession {
    /// Whether it may be asked. A password that no new account may have is no reason: it may have been set when
    /// others were asked for.
    ///
    /// # Errors
    /// [`InvalidAccount`].
    pub fn validate(&self) -> Result<(), InvalidAccount> {
        if self.password.get().len() > limits::PASSWORD_BYTES {
            return Err(InvalidAccount::Password);
        }
        let fits = |device: &String| {
            (1..=limits::DEVICE_BYTES).contains(&device.len()) && !device.contains(char::is_control)
        };
        if self.device.as_ref().is_none_or(fits) { Ok(()) } else { Err(InvalidAccount::Device) }
    }
}

/// What a session speaks with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTokens {
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// The token of all calls and of the socket.
    pub token: SecretText,
    /// When it ends, in ms since 1970-01-01 UTC by the server's clock.
    pub expires_at: i64,
    /// What the next ones are got with. It is used once.
    pub refresh_token: SecretText,
}

/// `POST /v1/sessions:refresh`: gets the next tokens of a session. Answers with [`SessionTokens`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRequest {
    /// The newest that the client has.
    pub refresh_token: SecretText,
}

/// `PUT /v1/accounts/current/password`: another password. Ends all other sessions of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChange {
    /// The one that it is.
    pub password: SecretText,
    /// The one that it is to be: 8 bytes to 1 KiB.
    pub new_password: SecretText,
}

impl PasswordChange {
    /// Whether the new one may be.
    ///
    /// # Errors
    /// [`InvalidAccount::Password`].
    pub fn validate(&self) -> Result<(), InvalidAccount> {
        check_password(&self.new_password)?;
        let most = limits::PASSWORD_BYTES;
        if self.password.get().len() > most { Err(InvalidAccount::Password) } else { Ok(()) }
    }
}

/// A session of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// What its user knows the device by, if anything was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When it was begun, in ms since 1970-01-01 UTC.
    pub created_at: i64,
    /// When it was last used, in the same, to within the life of a token.
    pub used_at: i64,
    /// Whether the token of this call is one of it.
    pub current: bool,
}

/// `GET /v1/sessions`: one's own sessions, those used last first, at most 50.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// All that have not ended.
    pub sessions: Vec<Session>,
}
