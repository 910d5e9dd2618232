import Core
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

@Suite("COPY", .ownThreads, .timeLimit(.minutes(4)))
struct CopyTests {
    /// One row of each type that the loader writes, and how PostgreSQL prints it.
    struct Row {
        var bool: Bool?
        var int2: Int16?
        var int4: Int32?
        var int8: Int64?
        var float8: Double?
        var time: Timestamp?
        var text: String?
        var bytes: [UInt8]?
        var json: String?
        var texts: [String?]
        var numbers: [Int64?]

        init(using random: inout SplitMix64) {
            var copy = random
            defer { random = copy }
            func some<Value>(_ make: (inout SplitMix64) -> Value) -> Value? {
                Int.random(in: 0..<5, using: &copy) == 0 ? nil : make(&copy)
            }
            bool = some { Bool.random(using: &$0) }
            int2 = some { Int16.random(in: .min ... .max, using: &$0) }
            int4 = some { Int32.random(in: .min ... .max, using: &$0) }
            int8 = some { Int64.random(in: .min ... .max, using: &$0) }
            float8 = some { Double.random(in: -1e300...1e300, using: &$0) }
            time = some { Timestamp(milliseconds: Int64.random(in: 0...4_102_444_800_000, using: &$0)) }
            text = some { Self.text(using: &$0) }
            bytes = some { random in (0..<20).map { _ in UInt8.random(in: 0...255, using: &random) } }
            json = some { #"{"a":\#(Int.random(in: 0...9, using: &$0))}"# }
            texts = (0..<Int.random(in: 0..<4, using: &copy)).map { _ in some { Self.text(using: &$0) } }
            numbers = (0..<Int.random(in: 0..<4, using: &copy)).map { _ in
                some { .random(in: .min ... .max, using: &$0) }
            }
        }

        private static func text(using random: inout SplitMix64) -> String {
            let alphabet: [Character] = ["a", "\"", "\\", ",", "{", "}", "\n", "\t", "ä", "😀", "\u{1}", " "]
            return String(
                (0..<Int.random(in: 0..<12, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "a" })
        }

        func append(to buffer: inout CopyBuffer) {
            buffer.beginRow(columns: 11)
            bool.map { buffer.append(bool: $0) } ?? buffer.appendNull()
            int2.map { buffer.append(int2: $0) } ?? buffer.appendNull()
            int4.map { buffer.append(int4: $0) } ?? buffer.appendNull()
            int8.map { buffer.append(int8: $0) } ?? buffer.appendNull()
            float8.map { buffer.append(float8: $0) } ?? buffer.appendNull()
            time.map { buffer.append(timestamptz: $0) } ?? buffer.appendNull()
            text.map { buffer.append(text: $0) } ?? buffer.appendNull()
            if let bytes {
                unsafe bytes.withUnsafeBytes { unsafe buffer.append(bytea: $0) }
            } else {
                buffer.appendNull()
            }
            if let json {
                unsafe Array(json.utf8).withUnsafeBytes { unsafe buffer.append(jsonb: $0) }
            } else {
                buffer.appendNull()
            }
            appendArrays(to: &buffer)
        }

        private func appendArrays(to buffer: inout CopyBuffer) {
            var array = buffer.beginArray(of: .text)
            for text in texts {
                guard let text else { buffer.appendNullElement(to: &array); continue }
                unsafe Array(text.utf8).withUnsafeBytes { unsafe buffer.appendElement(text: $0, to: &array) }
            }
            buffer.endArray(array)
            array = buffer.beginArray(of: .int8)
            for number in numbers {
                if let number {
                    buffer.appendElement(int8: number, to: &array)
                } else {
                    buffer.appendNullElement(to: &array)
                }
            }
            buffer.endArray(array)
        }

        /// The same row as parameters in text form.
        var parameters: [String?] {
            [
                bool.map { "\($0)" }, int2.map { "\($0)" }, int4.map { "\($0)" }, int8.map { "\($0)" },
                float8.map { "\($0)" }, time?.description, text, bytes.map { byteaLiteral($0) }, json,
                arrayLiteral(texts), arrayLiteral(numbers),
            ]
        }
    }

    private static let columns = ["b", "i2", "i4", "i8", "f8", "ts", "t", "by", "js", "ta", "ia"]
    private static let definition =
        "b bool, i2 int2, i4 int4, i8 int8, f8 float8, ts timestamptz, t text, by bytea, js jsonb, ta text[], ia int8[]"

    @Test("any value of any column type is the same by COPY and by INSERT", arguments: 0..<4)
    func roundTrip(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        let rows = (0..<200).map { _ in Row(using: &random) }
        let connection = try TestDatabase(migrated: false).connect()
        try connection.execute(
            "CREATE TABLE copied (n int GENERATED ALWAYS AS IDENTITY, \(Self.definition)); CREATE TABLE inserted (LIKE copied INCLUDING ALL)"
        )
        var buffer = CopyBuffer()
        var ranges: [Range<Int>] = []
        for row in rows {
            let start = buffer.count
            row.append(to: &buffer)
            ranges.append(start..<buffer.count)
            let marks = Self.columns.indices.map { "$\($0 + 1)" }.joined(separator: ",")
            _ = try connection.query(
                "INSERT INTO inserted (\(Self.columns.joined(separator: ","))) VALUES (\(marks))", row.parameters,
                doing: "insert")
        }
        let count = try connection.copy(into: "copied", columns: Self.columns, bytes: buffer.storage, rows: ranges)
        #expect(count == rows.count)
        let difference = try connection.query(
            "SELECT c.n FROM copied c FULL JOIN inserted i USING (n) WHERE c::text IS DISTINCT FROM i::text",
            doing: "compare")
        #expect(difference.rowCount == 0)
        let one = try connection.query("SELECT count(*), count(DISTINCT n) FROM copied", doing: "count")
        #expect(one.rows == [["200", "200"]])
    }

    @Test("any choice of rows can be sent alone")
    func choice() throws {
        let connection = try TestDatabase(migrated: false).connect()
        try connection.execute("CREATE TABLE t (a int8)")
        var buffer = CopyBuffer()
        let ranges = (0..<1000).map { number in
            let start = buffer.count
            buffer.beginRow(columns: 1)
            buffer.append(int8: Int64(number))
            return start..<buffer.count
        }
        try connection.copy(
            into: "t", columns: ["a"], bytes: buffer.storage,
            rows: ranges.indices.filter { $0 % 7 < 2 }.map { ranges[$0] })
        try connection.copy(into: "t", columns: ["a"], bytes: buffer.storage, rows: [])
        let found = try connection.query("SELECT count(*), bool_and(a % 7 < 2) FROM t", doing: "count").rows
        #expect(found == [["286", "t"]])
    }

    @Test("a refused COPY leaves the connection good, also behind megabytes")
    func refused() throws {
        let connection = try TestDatabase(migrated: false).connect()
        try connection.execute("CREATE TABLE t (a text CHECK (length(a) > 3))")
        var buffer = CopyBuffer()
        let ranges = (0..<3000).map { number in
            let start = buffer.count
            buffer.beginRow(columns: 1)
            buffer.append(text: number == 10 ? "bad" : String(repeating: "x", count: 2000))
            return start..<buffer.count
        }
        let error = #expect(throws: PostgresError.self) {
            try connection.copy(into: "t", columns: ["a"], bytes: buffer.storage, rows: ranges)
        }
        #expect(error?.sqlstate == "23514")
        #expect(error?.isConnectionLost == false)
        let missing = #expect(throws: PostgresError.self) {
            try connection.copy(into: "nowhere", columns: ["a"], bytes: buffer.storage, rows: ranges)
        }
        #expect(missing?.sqlstate == "42P01")
        #expect(try connection.query("SELECT count(*) FROM t", doing: "count").rows == [["0"]])
    }
}
