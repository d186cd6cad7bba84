//! SHA-256, by which Swift packages name a library: the standard library has none, and this program has no
//! dependencies.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Of a file, in hexadecimal digits.
pub(super) fn of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.digits()),
            read => hash.take(&piece[..read]),
        }
    }
}

struct Sha256 {
    constants: [u32; 64],
    state: [u32; 8],
    /// What does not fill a block yet.
    rest: Vec<u8>,
    bytes: u64,
}

impl Sha256 {
    fn new() -> Self {
        Self { constants: roots(3), state: roots(2), rest: Vec::new(), bytes: 0 }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.len() / 64 * 64;
        let rest = self.rest.split_off(whole);
        for block in self.rest.chunks_exact(64) {
            self.state = mixed(&self.constants, self.state, block);
        }
        self.rest = rest;
    }

    fn digits(mut self) -> String {
        let bits = self.bytes * 8;
        let zeros = (119 - self.bytes % 64) % 64;
        let mut end = vec![0x80];
        end.resize(1 + zeros as usize, 0);
        end.extend_from_slice(&bits.to_be_bytes());
        self.take(&end);
        let mut digits = String::new();
        for word in self.state {
            // Writing to a string never fails.
            let _ = write!(digits, "{word:08x}");
        }
        digits
    }
}

fn mixed(constants: &[u32; 64], state: [u32; 8], block: &[u8]) -> [u32; 8] {
    let mut words = [0_u32; 64];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for i in 16..64 {
        let (a, b) = (words[i - 15], words[i - 2]);
        let low = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
        let high = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
        words[i] = words[i - 16].wrapping_add(low).wrapping_add(words[i - 7]).wrapping_add(high);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    for (word, constant) in words.into_iter().zip(constants) {
        let high = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let one = h
            .wrapping_add(high)
            .wrapping_add((e & f) ^ (!e & g))
            .wrapping_add(*constant)
            .wrapping_add(word);
        let low = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let two = low.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
    }
    let mut next = state;
    for (value, more) in next.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *value = value.wrapping_add(more);
    }
    next
}

/// The first 32 bits behind the point of the roots of the first primes: the standard's constants.
fn roots<const N: usize>(degree: u32) -> [u32; N] {
    let primes = (2_u128..).filter(|n| (2..*n).all(|m| !n.is_multiple_of(m)));
    let mut roots = [0; N];
    for (root, prime) in roots.iter_mut().zip(primes) {
        // The root of prime × 2^(32 × degree), whole: 32 bits more than that of the prime.
        let shifted = prime << (32 * degree);
        let mut whole = 0_u128;
        for bit in (0..40).rev() {
            let more = whole | 1 << bit;
            if more.pow(degree) <= shifted {
                whole = more;
            }
        }
        *root = whole as u32;
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> String {
        let mut hash = Sha256::new();
        // In pieces, as a file comes.
        for piece in bytes.chunks(100) {
            hash.take(piece);
        }
        hash.digits()
    }

    #[test]
    fn the_standards_examples_have_the_standards_sums() {
        for (bytes, sum) in [
            (&b""[..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                &[b'a'; 1_000_000],
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ] {
            assert_eq!(of(bytes), sum);
        }
    }
}
