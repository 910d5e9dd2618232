import FoundationEssentials

/// What a command prints: text for people, JSON for programs.
///
/// The members that it encodes are those of the JSON object, in lower case with underscores. `version` is added to them.
package protocol Report: Encodable {
    /// The lines for people, without a line end after the last.
    ///
    /// - Parameter terminal: what tables fit; nil for any width and no colours.
    /// - Returns: the text.
    func text(on terminal: Terminal?) -> String
}

extension Report {
    /// For people, in full.
    package var text: String { text(on: nil) }

    /// The envelope of every command: one object, `{"version":1,…}`.
    ///
    /// - Parameter isCompact: whether it is one line.
    /// - Returns: the JSON.
    package func json(isCompact: Bool = false) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if !isCompact { encoder.outputFormatting.insert(.prettyPrinted) }
        encoder.keyEncodingStrategy = .convertToSnakeCase
        // JSON has no word for these numbers (RFC 8259, section 6), and one of them must not cost the whole report.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return (try? encoder.encode(Envelope(report: self))).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

/// A report's members beside the version of their form, which changes only when a member is removed or changes its meaning.
private struct Envelope<Content: Report>: Encodable {
    let report: Content

    private enum Key: CodingKey {
        case version
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(1, forKey: .version)
        try report.encode(to: encoder)
    }
}
