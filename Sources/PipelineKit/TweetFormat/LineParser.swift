/// Parses lines, and those that simdjson refuses only for their text or for a long integer, repaired.
///
/// The producer's keys and the loader's rows come from the same parse, so that both agree on what a tweet is.
package struct LineParser: ~Copyable {
    /// Longer lines are refused unparsed: simdjson asks for about 14 bytes of memory for each byte of a line.
    static let maximumLineBytes = 16 << 20

    private var parser = JSONParser()
    /// The repaired line, when the last parse altered it.
    package private(set) var cleaned: [UInt8] = []
    package /// What the last parse altered in the text of the line; when empty, the line itself is the document.
        private(set) var alterations: CleanText.Alterations = []

    /// Parses one line; the node is valid until the next parse.
    package mutating func parse(_ line: UnsafeRawBufferPointer) throws(LineReject) -> JSONNode {
        alterations = []
        guard line.count <= Self.maximumLineBytes else {
            throw LineReject(.tooLarge, "\(line.count) bytes; at most \(Self.maximumLineBytes) are parsed")
        }
        if unsafe !CleanText.isSuspicious(line) {
            do { return try unsafe parser.parse(line) } catch  where error.isTooDeep {
                throw LineReject(.tooDeep, error.text)
            } catch {}
        }
        alterations = unsafe CleanText.clean(line, into: &cleaned)
        do { return try parse(cleaned) } catch  where error.isTooDeep {
            throw LineReject(.tooDeep, error.text)
        } catch  where error.isNumber {
            return try parseWithLongIntegers()
        } catch {
            throw LineReject(.notJSON, error.text)
        }
    }

    private mutating func parseWithLongIntegers() throws(LineReject) -> JSONNode {
        guard let floats = LongIntegers.asFloats(cleaned) else { throw LineReject(.notJSON, "malformed number") }
        do { return try parse(floats) } catch {
            throw LineReject(error.isNumber ? .numberOutOfRange : .notJSON, error.text)
        }
    }

    private mutating func parse(_ bytes: [UInt8]) throws(JSONParser.Refusal) -> JSONNode {
        try unsafe bytes.span.bytes.withUnsafeBytes { buffer throws(JSONParser.Refusal) in
            try unsafe parser.parse(buffer)
        }
    }

    package init() {
    }
}
