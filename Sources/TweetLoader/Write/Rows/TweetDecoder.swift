import Postgres
import TweetFormat

/// Turns Kafka values into rows of `tweets` and of the tables beside it, or says what else they are. No value makes it fail.
///
/// Holds the parser's buffers from line to line; for one thread.
package struct TweetDecoder: ~Copyable {
    private var parser = LineParser()

    /// Makes a decoder with a parser of its own.
    package init() {}

    /// Decodes one value.
    ///
    /// A tweet's rows are appended to `rows`; for anything else `rows` stays as it is.
    /// - Parameters:
    ///   - value: a line of the stream, without its line end.
    ///   - record: where it came from.
    ///   - payload: what is kept of the whole line; must fit the type of the column.
    ///   - rows: where the rows go; the caller has begun the line there.
    /// - Returns: what the value is.
    package mutating func decode(
        _ value: UnsafeRawBufferPointer, record: RecordInfo, payload: PayloadMode, into rows: inout RelationRows
    ) -> DecodedLine {
        do {
            let root = try unsafe parser.parse(value)
            let line = Members<LineMember, 5>(of: root)
            guard let data = line[.data] else { return unsafe message(root, value) }
            let isRepaired = !parser.alterations.isEmpty
            let encoder = try LineEncoder(line, data: data, record: record, isAltered: isRepaired)
            let isAltered = isRepaired || encoder.hasOddTime
            encoder.appendTweet(to: &rows) { row in
                unsafe appendPayload(payload, of: value, isAltered: isAltered, to: &row)
            }
            encoder.appendOthers(to: &rows)
            let id = encoder.id
            KnownKeys.shared.walk(root) { path in rows.appendUnknownKey(path, tweet: id) }
            return .tweet(id: id, isAltered: isAltered)
        } catch {
            return .reject(error)
        }
    }

    /// The columns `text_altered`, `payload` and `payload_raw`.
    private func appendPayload(
        _ mode: PayloadMode, of value: UnsafeRawBufferPointer, isAltered: Bool, to row: inout CopyBuffer
    ) {
        row.append(bool: isAltered)
        guard !parser.alterations.isEmpty else {
            unsafe row.append(value, as: mode)
            return isAltered ? unsafe row.append(bytea: value) : row.appendNull()
        }
        unsafe parser.cleaned.withUnsafeBytes { unsafe row.append($0, as: mode) }
        unsafe row.append(bytea: value)
    }

    /// What a line without a tweet is.
    private func message(_ root: JSONNode, _ value: UnsafeRawBufferPointer) -> DecodedLine {
        if root["pipeline_event"] != nil {
            let line = parser.alterations.isEmpty ? unsafe Array(value) : parser.cleaned
            return PipelineEvent(line: line).map(DecodedLine.event)
                ?? .reject(LineReject(.notATweet, "pipeline_event: \(PipelineEvent.problem(of: line))"))
        }
        if let control = ControlMessage(root) { return .control(control) }
        return .reject(LineReject(.notATweet, root.isObject ? "no data and no errors" : "not a JSON object"))
    }
}

extension CopyBuffer {
    fileprivate mutating func append(_ document: UnsafeRawBufferPointer, as mode: PayloadMode) {
        switch mode {
        case .jsonb: unsafe append(jsonb: document)
        case .json: unsafe append(json: document)
        case .drop: appendNull()
        }
    }
}
