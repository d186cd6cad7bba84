//! The cursor as this server writes it: signed, so that no client can forge a position, and bound
//! to its user without carrying the name.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tidewire_protocol::{Cursor, Epoch, ErrorCode, UserId, WireError};

use crate::clock;
use crate::store::Ords;

/// The form with eight bytes for the place in each shard: of a log with one.
const FIXED: u8 = 1;
/// The form with as many bytes as each place needs: of a log with several. 16 places of eight bytes would
/// make each request longer by 150.
const PACKED: u8 = 2;
/// Bytes of the signature: 128 bits of HMAC-SHA256.
const MAC_BYTES: usize = 16;
/// Bytes before the positions: version, time of issue, epoch.
const HEAD_BYTES: usize = 1 + 8 + EPOCH_BYTES;
/// Bytes of the epoch's fingerprint.
const EPOCH_BYTES: usize = 8;

/// A cursor that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// The place in each shard.
    pub(crate) ords: Ords,
    /// When it was issued, in ms since 1970-01-01 UTC.
    pub(crate) issued_at: i64,
}

/// Writes and reads cursors.
#[derive(Clone)]
pub(crate) struct Cursors {
    mac: Hmac<Sha256>,
    epoch: [u8; EPOCH_BYTES],
    shards: usize,
    max_age: Duration,
}

impl Cursors {
    pub(crate) fn new(secret: &[u8], epoch: &Epoch, shards: usize, max_age: Duration) -> Self {
        use sha2::Digest;
        // `Hmac::new` wants a whole block; a shorter key is padded with zeros, as RFC 2104 says.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(secret) {
            *to = *from;
        }
        let mut fingerprint = [0; EPOCH_BYTES];
        let digest = Sha256::digest(epoch.as_str().as_bytes());
        for (to, from) in fingerprint.iter_mut().zip(digest) {
            *to = from;
        }
        let mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
        Self { mac, epoch: fingerprint, shards, max_age }
    }

    fn signed(&self, user: &UserId, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        // Apart from tokens, which the same secret signs: those are ASCII and hold no zero.
        mac.update(b"tidewire cursor\0");
        mac.update(user.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(bytes);
        mac
    }

    /// The cursor of `user` at `ords`.
    pub(crate) fn encode(&self, user: &UserId, ords: &Ords) -> Cursor {
        self.encode_at(user, ords, clock::now_ms())
    }

    fn encode_at(&self, user: &UserId, ords: &Ords, issued_at: i64) -> Cursor {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + ords.len() * 8 + MAC_BYTES);
        bytes.push(if ords.len() == 1 { FIXED } else { PACKED });
        bytes.extend(issued_at.to_be_bytes());
        bytes.extend(self.epoch);
        match ords.len() {
            1 => bytes.extend(ords.get(0).to_be_bytes()),
            _ => ords.iter().for_each(|ord| pack(ord, &mut bytes)),
        }
        let mac = self.signed(user, &bytes).finalize().into_bytes();
        bytes.extend(mac.iter().take(MAC_BYTES));
        Cursor::new(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Where `cursor` of `user` stands. Whether that lies beyond the log, only the store knows.
    ///
    /// # Errors
    /// [`ErrorCode::CursorInvalid`] or [`ErrorCode::CursorExpired`].
    pub(crate) fn decode(&self, user: &UserId, cursor: &Cursor) -> Result<Position, WireError> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor.as_str()).map_err(|_| invalid())?;
        let signed = bytes.len().checked_sub(MAC_BYTES).ok_or_else(invalid)?;
        let (body, mac) = bytes.split_at(signed);
        self.signed(user, body).verify_truncated_left(mac).map_err(|_| invalid())?;
        let (version, rest) = body.split_first().ok_or_else(invalid)?;
        let (issued_at, rest) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
        let (epoch, rest) = rest.split_first_chunk::<EPOCH_BYTES>().ok_or_else(invalid)?;
        let ords = match *version {
            FIXED => fixed(rest),
            PACKED => packed(rest),
            _ => None,
        };
        let ords = ords.ok_or_else(invalid)?;
        let issued_at = i64::from_be_bytes(*issued_at);
        let age = u64::try_from(clock::now_ms().saturating_sub(issued_at)).unwrap_or(0);
        if *epoch != self.epoch
            || ords.len() != self.shards
            || Duration::from_millis(age) > self.max_age
        {
            return Err(WireError::new(
                ErrorCode::CursorExpired,
                "the log does not reach back to this cursor: bootstrap",
            ));
        }
        Ok(Position { ords, issued_at })
    }
}

/// A number, seven bits a byte, the lowest first; the highest bit says that more follow.
fn pack(mut number: u64, bytes: &mut Vec<u8>) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn packed(bytes: &[u8]) -> Option<Ords> {
    let (mut ords, mut number, mut shift) = (Vec::new(), 0_u64, 0);
    for byte in bytes {
        let part = u64::from(byte & 0x7f);
        number |= part.checked_shl(shift).filter(|shifted| shifted >> shift == part)?;
        if byte & 0x80 == 0 {
            ords.push(number);
            (number, shift) = (0, 0);
        } else {
            shift += 7;
        }
    }
    (shift == 0).then(|| ords.into_iter().collect())
}

fn fixed(bytes: &[u8]) -> Option<Ords> {
    let (ords, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| ords.iter().map(|ord| u64::from_be_bytes(*ord)).collect())
}

/// What a caller hears whose cursor this server never gave to that user.
pub(crate) fn invalid() -> WireError {
    WireError::new(ErrorCode::CursorInvalid, "this server gave you no such cursor: bootstrap")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors(secret: &[u8], epoch: &str, age_ms: u64) -> Cursors {
        Cursors::new(secret, &Epoch::new(epoch), 1, Duration::from_millis(age_ms))
    }

    fn ada() -> UserId {
        "ada".parse().unwrap()
    }

    #[test]
    fn a_cursor_reads_back_and_is_small() {
        let codec = cursors(b"secret", "e1", 1_000_000);
        let ords = Ords::from_iter([u64::MAX - 7]);
        let cursor = codec.encode(&"u".repeat(128).parse().unwrap(), &ords);
        assert!(cursor.as_str().len() <= 100, "{} bytes", cursor.as_str().len());
        let back = codec.decode(&"u".repeat(128).parse().unwrap(), &cursor).unwrap();
        assert_eq!(back.ords, ords);
    }

    #[test]
    fn a_cursor_of_many_shards_reads_back_and_is_small() {
        let codec =
            Cursors::new(b"secret", &Epoch::new("e1"), 16, Duration::from_millis(1_000_000));
        let ords = (0..16).map(|shard| 100_000 * shard).collect();
        let cursor = codec.encode(&ada(), &ords);
        assert!(cursor.as_str().len() <= 130, "{} bytes", cursor.as_str().len());
        assert_eq!(codec.decode(&ada(), &cursor).unwrap().ords, ords);
        let far = (0..16).map(|shard| u64::MAX - shard).collect();
        assert_eq!(codec.decode(&ada(), &codec.encode(&ada(), &far)).unwrap().ords, far);
    }

    #[test]
    fn a_foreign_forged_or_broken_cursor_is_invalid() {
        let codec = cursors(b"secret", "e1", 1_000_000);
        let cursor = codec.encode(&ada(), &Ords::from_iter([7]));
        let code = |user: &str, text: &str| {
            codec.decode(&user.parse().unwrap(), &Cursor::new(text)).unwrap_err().code
        };
        assert_eq!(code("bob", cursor.as_str()), ErrorCode::CursorInvalid);
        for broken in ["", "x", "!!!", "AAAA", &"A".repeat(66)] {
            assert_eq!(code("ada", broken), ErrorCode::CursorInvalid, "{broken}");
        }
        for i in 0..cursor.as_str().len() {
            let mut text = cursor.as_str().to_owned().into_bytes();
            text[i] = if text[i] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(text).unwrap();
            assert!(codec.decode(&ada(), &Cursor::new(text)).is_err(), "byte {i} changed");
        }
        let foreign = cursors(b"other", "e1", 1_000_000).encode(&ada(), &Ords::from_iter([7]));
        assert_eq!(code("ada", foreign.as_str()), ErrorCode::CursorInvalid);
    }

    #[test]
    fn an_old_cursor_and_one_of_another_epoch_have_expired() {
        let codec = cursors(b"secret", "e1", 1_000);
        let ords = Ords::from_iter([7]);
        let old = codec.encode_at(&ada(), &ords, clock::now_ms() - 5_000);
        assert_eq!(codec.decode(&ada(), &old).unwrap_err().code, ErrorCode::CursorExpired);
        let restored = cursors(b"secret", "e0", 1_000).encode(&ada(), &ords);
        assert_eq!(codec.decode(&ada(), &restored).unwrap_err().code, ErrorCode::CursorExpired);
    }
}
