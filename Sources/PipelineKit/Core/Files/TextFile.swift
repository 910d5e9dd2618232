/// The whole of a small text file: UTF-8, without the byte order mark that some editors put in front (YAML 1.2, section 5.2).
///
/// Nothing is repaired: a replacement character would change a rule or a password without a word.
///
/// - Throws: `FileError`; when the file is not UTF-8 it names line and column of the first byte that is not.
package func readTextFile(_ path: String) throws(FileError) -> String {
    var bytes = try readWholeFile(path)[...]
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
        throw FileError(
            path: path, detail: "the file is UTF-16 (byte order mark at line 1, column 1); save it as UTF-8")
    }
    if let text = String(validating: bytes, as: UTF8.self) {
        guard let place = bytes.firstIndex(of: 0) else { return text }
        throw FileError(path: path, detail: "the file is not text: NUL at \(position(of: place, in: bytes))")
    }
    let place = firstInvalid(bytes)
    let byte = String(bytes[place], radix: 16, uppercase: true)
    throw FileError(
        path: path,
        detail: "the file is not UTF-8: byte 0x\(byte) at \(position(of: place, in: bytes)); save it as UTF-8")
}

/// Line and column, both from 1; columns count code points.
private func position(of place: Int, in bytes: ArraySlice<UInt8>) -> String {
    let before = bytes[..<place]
    let line = before.count { $0 == UInt8(ascii: "\n") } + 1
    let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? before.startIndex
    // Continuation bytes of a code point are 10xxxxxx.
    let column = before[start...].count { $0 & 0b1100_0000 != 0b1000_0000 } + 1
    return "line \(line), column \(column)"
}

/// Where the first code point stands that is not whole or not allowed.
private func firstInvalid(_ bytes: ArraySlice<UInt8>) -> Int {
    var place = bytes.startIndex
    while place < bytes.endIndex {
        let lead = bytes[place]
        let length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
        let point = bytes[place..<min(place + length, bytes.endIndex)]
        guard String(validating: point, as: UTF8.self) != nil else { return place }
        place += length
    }
    return bytes.startIndex
}

extension StringProtocol {
    /// Without white space at either end.
    package var trimmed: String {
        var text = String(self).drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
