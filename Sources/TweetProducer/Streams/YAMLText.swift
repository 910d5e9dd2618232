import Core
import Digests

/// A scalar in single quotes (YAML 1.2, section 7.3.2).
///
/// - Parameter text: without control characters.
/// - Returns: the scalar.
func quotedYAML(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }

/// The text of a scalar that `quotedYAML` has made; other texts stay as they are.
///
/// - Parameter scalar: what stands behind the key.
/// - Returns: the text.
func unquotedYAML(_ scalar: Substring) -> String {
    guard scalar.count >= 2, scalar.hasPrefix("'"), scalar.hasSuffix("'") else { return String(scalar) }
    return String(scalar.dropFirst().dropLast()).replacing("''", with: "'")
}

/// A scalar as people write it: plain where that means the text itself, else in single quotes.
///
/// - Parameter text: without control characters.
/// - Returns: the scalar.
func writtenYAML(_ text: String) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "null", "~", "y", "n"]
    let isPlain =
        text.first.map { $0.isASCII && ($0.isLetter || $0 == "/") } == true
        && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-/".contains($0)) }
    return isPlain && !words.contains(text.lowercased()) ? text : quotedYAML(text)
}

/// The SHA-256 of a text.
///
/// - Parameter text: any.
/// - Returns: 64 hexadecimal digits.
func hexDigest(of text: String) -> String {
    var running = RunningDigest()
    unsafe Array(text.utf8).withUnsafeBytes { unsafe running.add($0) }
    return running.result.sha256
}
