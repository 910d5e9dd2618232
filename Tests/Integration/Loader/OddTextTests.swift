import Core
import Foundation
import KafkaClient
import Postgres
import TestSupport
import Testing

@testable import TweetLoader

extension RelationsTests {
    /// Texts that PostgreSQL or simdjson cannot hold, as bytes between the quotes of a JSON string, and what is stored.
    static let oddTexts: [(bytes: [UInt8], stored: String)] = [
        (Array(#"a\u0000b"#.utf8), "a\u{FFFD}b"), (Array(#"\ud83d"#.utf8), "\u{FFFD}"),
        (Array(#"\udc00\ud800"#.utf8), "\u{FFFD}\u{FFFD}"), ([0x61, 0, 0xFF], "a\u{FFFD}\u{FFFD}"),
        ([0xC0, 0x80], "\u{FFFD}\u{FFFD}"), ([0xED, 0xA0, 0xBD], "\u{FFFD}\u{FFFD}\u{FFFD}"),
        ([0xF5, 0x80, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"), (Array("a\tb".utf8), "a\tb"),
    ]

    @Test("text that PostgreSQL cannot hold is stored repaired and flagged in every table, and the bytes are kept")
    func anyText() throws {
        let lines = Self.oddTexts.enumerated().map { number, odd in
            let parts = Self.textLine(Self.first + Int64(number)).components(separatedBy: "TEXT")
            return Array(parts.map { Array($0.utf8) }.joined(separator: odd.bytes))
        }
        var batch = Batch()
        var decoder = TweetDecoder()
        for (offset, line) in lines.enumerated() {
            let record = RecordInfo(headers: nil, topicPartition: TestLines.partition, offset: Int64(offset))
            batch.add(record, key: nil, value: line, decoder: &decoder, payload: .jsonb)
        }
        try Loader.claiming(database.url).settle(batch)
        #expect(try database.query("SELECT count(*) FROM rejects") == [["0"]])
        let stored = Self.oddTexts.map { [$0.stored, "t"] }
        try expectStored(stored)
        #expect(
            try database.query("SELECT text, text_altered FROM tweets WHERE NOT matched ORDER BY id") == stored)
        #expect(
            try database.query("SELECT payload_raw FROM tweets WHERE matched ORDER BY id")
                == lines.map { [byteaLiteral($0)] })
        #expect(try database.query("SELECT path FROM unknown_keys").count == Set(stored).count)
    }

    /// Every table beside that of included tweets holds these texts, flagged where it has a column for that.
    private func expectStored(_ stored: [[String]]) throws {
        for (table, column, key) in [
            ("tweets", "text", "id"), ("users", "name", "id"), ("media", "alt_text", "seen_in"),
            ("places", "full_name", "seen_in"), ("polls", "option_labels[1]", "id"), ("context_entities", "name", "id"),
        ] {
            let condition = table == "tweets" ? "WHERE matched" : ""
            #expect(
                try database.query("SELECT \(column), text_altered FROM \(table) \(condition) ORDER BY \(key)")
                    == stored,
                "\(table)")
        }
        for (table, column) in [("tweet_rules", "tag"), ("tweet_errors", "title")] {
            #expect(
                try database.query("SELECT \(column) FROM \(table) ORDER BY tweet_id") == stored.map { [$0[0]] },
                "\(table)")
        }
    }

    /// A line with TEXT wherever a table has text.
    private static func textLine(_ id: Int64) -> String {
        #"{"data":{"id":"\#(id)","text":"TEXT","odd_TEXT":1,"context_annotations":[{"entity":{"id":"\#(id)","name":"TEXT"}}]},"#
            + #""matching_rules":[{"id":"1","tag":"TEXT"}],"errors":[{"title":"TEXT"}],"#
            + #""includes":{"users":[{"id":"\#(id)","name":"TEXT"}],"media":[{"media_key":"k\#(id)","alt_text":"TEXT"}],"#
            + #""places":[{"id":"TEXT\#(id)","full_name":"TEXT"}],"tweets":[{"id":"\#(id - 1_000_000)","text":"TEXT"}],"#
            + #""polls":[{"id":"\#(id)","options":[{"label":"TEXT"}]}]}}"#
    }

    @Test("huge numbers, duplicate keys, deep nesting and long lines in what is included spoil nothing")
    func oddIncludes() throws {
        let deep = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        let long = String(repeating: "x", count: 1 << 20)
        let includes = [
            #""users":[{"id":"1","public_metrics":{"followers_count":99999999999999999999}}]"#,
            #""users":[{"id":"2","id":"3","name":"a","name":"b"}]"#, #""users":[{"id":"4","entities":\#(deep)}]"#,
            #""users":[{"id":"5","description":"\#(long)"}]"#, #""users":[1,null,[],{},{"id":"x"},"y"]"#,
            #""users":{"id":"6"}"#, #""media":[{"media_key":7},{"media_key":""}],"places":[{}],"polls":[{"id":null}]"#,
            #""media":[{"media_key":"\#(String(repeating: "k", count: 3000))"}]"#,
            #""media":[{"media_key":"\#(Self.noise)"}]"#,
        ]
        let lines = includes.enumerated().map { Self.line(Self.first + Int64($0), $1) }
        try Loader.claiming(database.url).settle(Self.batch(lines))
        // A key that no index row holds is a matter of its line alone.
        #expect(try database.query("SELECT reason, sqlstate, seq FROM rejects") == [["database", "54000", "9"]])
        #expect(
            try database.query("SELECT id, name, followers_count, length(description) FROM users ORDER BY id") == [
                ["1", nil, nil, nil], ["3", "b", nil, nil], ["4", nil, nil, nil], ["5", nil, nil, "\(1 << 20)"],
            ])
        #expect(try database.query("SELECT count(*) FROM tweets") == [["8"]])
    }

    /// Text that does not compress, longer than a row of an index.
    private static let noise: String = {
        var random = SplitMix64(seed: 5)
        return (0..<600).map { _ in String(random.next(), radix: 36) }.joined()
    }()
}
