//! What the headers of a shared library for Linux and Android say.

/// What matters of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    /// The processor, by ELF's number.
    pub(super) machine: u16,
    /// The smallest alignment of the parts that are loaded, in bytes: a system whose pages are larger does not
    /// load the library.
    pub(super) alignment: u64,
}

/// ELF's numbers of processors.
pub(super) const ARM: u16 = 40;
pub(super) const X86_64: u16 = 62;
pub(super) const AARCH64: u16 = 183;

/// A part that is loaded.
const LOAD: u32 = 1;

/// Reads the headers; none if this is no library of that kind, or cut off.
pub(super) fn parse(bytes: &[u8]) -> Option<Elf> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = match *bytes.get(4)? {
        1 => false,
        2 => true,
        _ => return None,
    };
    // Big-endian processors have no Android.
    if *bytes.get(5)? != 1 {
        return None;
    }
    // Where the program headers are, how large each is and how many; and where in one its alignment is.
    let (table, size_at, align_at) =
        if wide { (long(bytes, 32)?, 54, 48) } else { (word(bytes, 28)?, 42, 28) };
    let size = u64::from(half(bytes, size_at)?);
    let count = u64::from(half(bytes, size_at + 2)?);
    let mut alignment = None::<u64>;
    for index in 0..count {
        let at = usize::try_from(table.checked_add(index * size)?).ok()?;
        if half_word(bytes, at)? != LOAD {
            continue;
        }
        let own = if wide { long(bytes, at + align_at)? } else { word(bytes, at + align_at)? };
        alignment = Some(alignment.map_or(own, |least| least.min(own)));
    }
    Some(Elf { machine: half(bytes, 18)?, alignment: alignment? })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn half_word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    half_word(bytes, at).map(u64::from)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Headers and nothing else: a note, and then parts that are loaded with these alignments.
    pub(in crate::package) fn library(machine: u16, wide: bool, alignments: &[u64]) -> Vec<u8> {
        let (header, entry) = if wide { (64, 56) } else { (52, 32) };
        let mut bytes = vec![0; header + entry * (alignments.len() + 1)];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[4] = if wide { 2 } else { 1 };
        bytes[5] = 1;
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        let (table_at, size_at) = if wide { (32, 54) } else { (28, 42) };
        bytes[table_at] = u8::try_from(header).unwrap();
        bytes[size_at] = u8::try_from(entry).unwrap();
        bytes[size_at + 2] = u8::try_from(alignments.len() + 1).unwrap();
        bytes[header] = 4;
        for (index, alignment) in alignments.iter().enumerate() {
            let at = header + entry * (index + 1);
            bytes[at] = 1;
            let align_at = at + if wide { 48 } else { 28 };
            bytes[align_at..align_at + 4]
                .copy_from_slice(&u32::try_from(*alignment).unwrap().to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_smallest_alignment_of_what_is_loaded_counts() {
        let elf = parse(&library(AARCH64, true, &[65_536, 16_384])).unwrap();
        assert_eq!(elf, Elf { machine: AARCH64, alignment: 16_384 });
        let elf = parse(&library(ARM, false, &[16_384, 4_096])).unwrap();
        assert_eq!(elf, Elf { machine: ARM, alignment: 4_096 });
    }

    #[test]
    fn what_is_no_library_or_half_of_one_has_no_headers() {
        assert_eq!(parse(b""), None);
        assert_eq!(parse(b"MZ"), None);
        let whole = library(X86_64, true, &[4_096]);
        for length in 0..whole.len() {
            // The last bytes are the upper half of an alignment.
            assert_eq!(parse(&whole[..length]), None, "{length} bytes");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_program_can_be_read() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(parse(&bytes).unwrap().alignment >= 4_096);
    }
}
