import Core
import KafkaClient
import TweetFormat
import TweetLoader

/// The decoder: every input is rows, an event, a message of X, or a reject, and its rows are whole.
enum TweetTarget {
    private static let record = RecordInfo(
        headers: RecordHeaders(
            stream: "fuzz", journal: "00000001", seq: 1, receivedAt: Timestamp(milliseconds: 1_790_000_000_000),
            connection: 1),
        topicPartition: TopicPartition("tweets", 0), offset: 1)

    /// Kept from input to input, as a loader keeps them from line to line.
    private struct State: ~Copyable {
        var decoder = TweetDecoder()
        var key = TweetKey()
        var rows = RelationRows()
        var once: [UInt8] = []
        var twice: [UInt8] = []
    }

    // Safe because libFuzzer calls its target on one thread only.
    nonisolated(unsafe) private static var state = State()

    static func run(_ input: UnsafeRawBufferPointer) {
        unsafe run(input, &state)
    }

    private static func run(_ input: UnsafeRawBufferPointer, _ state: inout State) {
        let mode = PayloadMode.allCases[input.count % PayloadMode.allCases.count]
        let line = unsafe decode(input, mode, &state)
        expect(unsafe decode(input, .drop, &state) == line, "a line is the same a second time")
        switch line {
        case .tweet(let id, isAltered: _):
            expect(unsafe state.key.id(of: input) == id, "producer and loader agree on the id")
            expect(unsafe state.key.key(of: input) != nil, "a tweet has a key")
            expect(id >= 0, "an id is not negative")
        case .reject(let reject): expect(!reject.detail.isEmpty, "a reject says why")
        case .event, .control: expect(unsafe state.key.key(of: input) == nil, "what is no tweet has no key")
        }
        unsafe clean(input, &state)
    }

    private static func decode(
        _ input: UnsafeRawBufferPointer, _ mode: PayloadMode, _ state: inout State
    ) -> DecodedLine {
        state.rows.removeAll()
        state.rows.beginLine(0)
        let line = unsafe state.decoder.decode(input, record: record, payload: mode, into: &state.rows)
        check(state.rows, of: line)
        return line
    }

    private static func check(_ rows: RelationRows, of line: DecodedLine) {
        guard case .tweet(let id, isAltered: _) = line else {
            return expect(rows.byteCount == 0, "what is no tweet leaves no bytes")
        }
        expect(rows[.tweets].rows.first?.key == id, "a tweet is the first of its rows")
        for relation in Relation.allCases {
            let table = rows[relation]
            var end = 0
            for row in table.rows {
                expect(row.bytes.lowerBound == end, "rows follow each other without a hole")
                end = row.bytes.upperBound
                check(table.buffer.storage[row.bytes], columns: relation.columns.count)
            }
            expect(end == table.buffer.count, "no bytes are without a row")
        }
    }

    /// A row in COPY's binary form: the number of fields, and of each its length and bytes.
    private static func check(_ bytes: ArraySlice<UInt8>, columns: Int) {
        var rest = bytes
        expect(number(&rest, 2) == columns, "a row has all columns")
        for _ in 0..<columns {
            let length = number(&rest, 4)
            if length == 0xFFFF_FFFF { continue }
            expect(length <= rest.count, "a field lies within its row")
            rest = rest.dropFirst(length)
        }
        expect(rest.isEmpty, "nothing follows a row")
    }

    private static func number(_ bytes: inout ArraySlice<UInt8>, _ size: Int) -> Int {
        expect(bytes.count >= size, "a row is not cut")
        defer { bytes = bytes.dropFirst(size) }
        return bytes.prefix(size).reduce(0) { $0 << 8 | Int($1) }
    }

    private static func clean(_ input: UnsafeRawBufferPointer, _ state: inout State) {
        _ = unsafe CleanText.clean(input, into: &state.once)
        let again = unsafe state.once.withUnsafeBytes { unsafe CleanText.clean($0, into: &state.twice) }
        expect(again.isEmpty && state.once == state.twice, "cleaning what is clean alters nothing")
        expect(String(validating: state.once, as: UTF8.self) != nil, "what was cleaned is UTF-8")
    }
}
