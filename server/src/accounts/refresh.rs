//! Refresh tokens. The first of a session is 256 random bits; each that follows is what a key of this server's makes of the
//! one before. So a repeat gets the same, from every server, and none of them is kept anywhere: the database has the
//! SHA-256 of the newest. All are signed, so that one that this server has given at some time is known as such.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use tidewire_protocol::{ErrorCode, SessionId, WireError};
use uuid::Uuid;

use crate::store::accounts::{Digest, FIRST};

/// The form of the text.
const VERSION: u8 = 1;
/// Bytes of the signature: 128 bits of HMAC-SHA256.
const MAC_BYTES: usize = 16;
const RANDOM_BYTES: usize = 32;
/// Version, session, generation, random bits.
const BODY_BYTES: usize = 1 + 16 + 4 + RANDOM_BYTES;

/// A refresh token that this server has given.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) session: SessionId,
    pub(super) generation: u32,
    random: [u8; RANDOM_BYTES],
}

impl std::fmt::Debug for RefreshToken {
    /// What it opens never stands in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RefreshToken({}, {})", self.session, self.generation)
    }
}

impl RefreshToken {
    /// What is kept of it.
    pub(super) fn digest(&self) -> Digest {
        Sha256::digest(self.random).into()
    }

    fn body(&self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        let parts = [VERSION]
            .into_iter()
            .chain(*self.session.uuid().as_bytes())
            .chain(self.generation.to_be_bytes())
            .chain(self.random);
        body.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        body
    }
}

/// Makes and reads them.
pub(super) struct RefreshKeys {
    mac: Hmac<Sha256>,
}

impl RefreshKeys {
    pub(super) fn new(secret: &[u8]) -> Self {
        // `Hmac::new` wants a whole block; a shorter key is padded with zeros, as RFC 2104 says.
        let mut block = [0; 64];
        block.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
        Self { mac: <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into()) }
    }

    /// Each purpose apart from all others for which the same secret is used.
    fn keyed(&self, purpose: &[u8], body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(purpose);
        mac.update(body);
        mac
    }

    fn signed(&self, body: &[u8]) -> Hmac<Sha256> {
        self.keyed(b"tidewire refresh token\0", body)
    }

    /// The first of a session.
    pub(super) fn first(&self, session: SessionId) -> Result<RefreshToken, WireError> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| {
            tracing::error!(%error, "the system gives no random bytes");
            WireError::new(ErrorCode::Internal, "the server failed: try again later")
        })?;
        Ok(RefreshToken { session, generation: FIRST, random })
    }

    /// The one that follows.
    pub(super) fn next(&self, token: &RefreshToken) -> RefreshToken {
        let random = self.keyed(b"tidewire next refresh token\0", &token.body());
        RefreshToken {
            session: token.session,
            generation: token.generation.saturating_add(1),
            random: random.finalize().into_bytes().into(),
        }
    }

    /// As a text.
    pub(super) fn seal(&self, token: &RefreshToken) -> String {
        let mut bytes = token.body().to_vec();
        let mac = self.signed(&bytes).finalize().into_bytes();
        bytes.extend(mac.iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a text says, if this server has given it.
    pub(super) fn open(&self, text: &str) -> Option<RefreshToken> {
        // Nothing longer is one, and nothing longer is read.
        if text.len() > (BODY_BYTES + MAC_BYTES) * 2 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, mac) = bytes.split_at_checked(BODY_BYTES)?;
        if mac.len() != MAC_BYTES {
            return None;
        }
        self.signed(body).verify_truncated_left(mac).ok()?;
        let (version, rest) = body.split_first()?;
        let (session, rest) = rest.split_first_chunk::<16>()?;
        let (generation, random) = rest.split_first_chunk::<4>()?;
        let token = RefreshToken {
            session: SessionId::from_uuid(Uuid::from_bytes(*session)),
            generation: u32::from_be_bytes(*generation),
            random: random.try_into().ok()?,
        };
        (*version == VERSION).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(7))
    }

    #[test]
    fn a_token_reads_back_and_no_other_is_one() {
        let (keys, others) = (RefreshKeys::new(&[7; 32]), RefreshKeys::new(&[8; 32]));
        let token = keys.first(id()).unwrap();
        let text = keys.seal(&token);
        assert_eq!(keys.open(&text), Some(token.clone()));
        assert_eq!(others.open(&text), None, "of another server");
        for forged in ["", "x", "AAAA", &text[1..], &text[..text.len() - 1], &text.repeat(2)] {
            assert_eq!(keys.open(forged), None, "{forged}");
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(keys.open(&URL_SAFE_NO_PAD.encode(&bytes)), None, "byte {at}");
            bytes[at] ^= 1;
        }
        assert_ne!(token.digest(), keys.first(id()).unwrap().digest());
    }

    #[test]
    fn the_next_one_is_always_the_same_and_only_this_server_can_tell_it() {
        let keys = RefreshKeys::new(&[7; 32]);
        let token = keys.first(id()).unwrap();
        let next = keys.next(&token);
        assert_eq!(next, keys.next(&keys.open(&keys.seal(&token)).unwrap()));
        assert_eq!(next.generation, 2);
        assert_ne!(next.digest(), token.digest());
        assert_ne!(next, RefreshKeys::new(&[8; 32]).next(&token));
        assert!(!format!("{token:?}").contains(&keys.seal(&token)));
    }
}
