//! How generated Swift reads what comes over the border. As it is generated, each field is copied through
//! Foundation, of which a message has about thirty: that took most of the time of a page.

/// The functions that are put in the place of the generated ones, with the same signatures.
const FASTER: [&str; 2] = [
    "fileprivate func readInt<T: FixedWidthInteger>(_ reader: inout (data: Data, offset: Data.Index)) throws -> T {
    let offset = reader.offset
    let end = offset + MemoryLayout<T>.size
    guard reader.data.count >= end else {
        throw UniffiInternalError.bufferOverflow
    }
    reader.offset = end
    return T(bigEndian: reader.data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) })
}
",
    "fileprivate func readBytes(_ reader: inout (data: Data, offset: Data.Index), count: Int) throws -> Array<UInt8> {
    let range = reader.offset..<(reader.offset+count)
    guard reader.data.count >= range.upperBound else {
        throw UniffiInternalError.bufferOverflow
    }
    reader.offset = range.upperBound
    return reader.data.withUnsafeBytes { Array($0[range]) }
}

fileprivate func readText(_ reader: inout (data: Data, offset: Data.Index), count: Int) throws -> String {
    let range = reader.offset..<(reader.offset+count)
    guard reader.data.count >= range.upperBound else {
        throw UniffiInternalError.bufferOverflow
    }
    reader.offset = range.upperBound
    return reader.data.withUnsafeBytes { String(decoding: $0[range], as: UTF8.self) }
}
",
];

/// A text that is read into an array first, and from there.
const TWICE: &str = "String(decoding: try readBytes(&buf, count: Int(len)), as: UTF8.self)";
const ONCE: &str = "try readText(&buf, count: Int(len))";

/// Where a function ends, as it is generated.
const END: &str = "\n}\n";

/// Puts the faster functions into a generated file.
///
/// # Errors
/// One of those that are generated is not there: the generator has changed.
pub(super) fn faster(generated: &str) -> Result<String, String> {
    let changed =
        |what: &str| Err(format!("the generator has changed: it has no `{what}` to make faster"));
    if !generated.contains(TWICE) {
        return changed(TWICE);
    }
    let mut text = generated.replace(TWICE, ONCE);
    for function in FASTER {
        let signature = function.lines().next().unwrap_or_default();
        let Some(begin) = text.find(signature) else { return changed(signature) };
        let Some(length) = text[begin..].find(END) else { return changed(signature) };
        text.replace_range(begin..begin + length + END.len(), function);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_is_replaced() {
        let signatures = FASTER.map(|function| function.lines().next().unwrap());
        let file = |[int, bytes]: [&str; 2], text: &str| {
            format!("// before\n{int}// between\n{bytes}// behind\n    return {text}\n")
        };
        let slow = signatures.map(|signature| format!("{signature}\n    slow\n}}\n"));
        let generated = file([&slow[0], &slow[1]], TWICE);
        assert_eq!(faster(&generated).unwrap(), file(FASTER, ONCE));
        for needed in ["func readInt", "func readBytes", "String(decoding"] {
            let other = generated.replace(needed, "other");
            assert!(faster(&other).unwrap_err().contains("the generator has changed"), "{needed}");
        }
    }
}
