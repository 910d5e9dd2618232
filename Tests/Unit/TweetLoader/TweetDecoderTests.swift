import TestSupport
import Testing

@testable import TweetFormat
@testable import TweetLoader

@Suite("TweetDecoder", .timeLimit(.minutes(5)))
struct TweetDecoderTests {
    static let rejects: [(line: String, code: LineReject.Code)] = [
        ("", .notJSON), ("{", .notJSON), ("<html>", .notJSON), (#"{"data":{"id":"1","te"#, .notJSON),
        ("{}{}", .notJSON),
        (#"{"data":{"id":"1","text":"x","n":01}}"#, .notJSON), (#"{"n":1.}"#, .notJSON), (#"{"n":-}"#, .notJSON),
        (String(repeating: "[", count: 1025) + String(repeating: "]", count: 1025), .tooDeep),
        (#"{"data":{"id":"1","text":"x","n":1e999}}"#, .numberOutOfRange),
        ("[]", .notATweet), ("1", .notATweet), (#""text""#, .notATweet), ("null", .notATweet), ("{}", .notATweet),
        (#"{"data":[{"id":"1","text":"x"}]}"#, .notATweet), (#"{"data":"x"}"#, .notATweet),
        (#"{"data":{}}"#, .notATweet), (#"{"data":{"text":"x"}}"#, .notATweet), (#"{"data":{"id":"1"}}"#, .notATweet),
        (#"{"data":{"id":"1","text":null}}"#, .notATweet), (#"{"data":{"id":"1","text":7}}"#, .notATweet),
        (#"{"data":null}"#, .notATweet), (#"{"errors":[]}"#, .notATweet), (#"{"errors":null}"#, .notATweet),
        (#"{"data":{"delete":{"tweet":{"id":"1","author_id":"2"}}}}"#, .notATweet),
        (#"{"meta":{"result_count":0}}"#, .notATweet), (#"{"pipeline_event":{"type":"unheard_of"}}"#, .notATweet),
        (#"{"data":{"id":"","text":"x"}}"#, .badID), (#"{"data":{"id":"1x","text":"x"}}"#, .badID),
        (#"{"data":{"id":"-1","text":"x"}}"#, .badID), (#"{"data":{"id":1.5,"text":"x"}}"#, .badID),
        (#"{"data":{"id":"9223372036854775808","text":"x"}}"#, .badID),
        (#"{"data":{"id":["1"],"text":"x"}}"#, .badID),
    ]

    @Test("what is no tweet is rejected with its reason and leaves no row", arguments: rejects)
    func reject(line: String, code: LineReject.Code) {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        guard case .reject(let reject) = decoder.decode(Array(line.utf8), into: &rows) else {
            Issue.record("not rejected")
            return
        }
        #expect(reject.code == code)
        #expect(!reject.detail.isEmpty)
        #expect(rows.byteCount == 0)
    }

    @Test("a line beyond the limit is rejected unparsed")
    func tooLarge() {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        let line = [UInt8](repeating: UInt8(ascii: " "), count: LineParser.maximumLineBytes + 1)
        guard case .reject(let reject) = decoder.decode(line, into: &rows) else {
            Issue.record("not rejected")
            return
        }
        #expect(reject.reason == "too_large")
    }

    @Test("a reject never quotes the line")
    func discretion() {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        for line in [#"{"data":{"id":"secret","text":"secret"}}"#, #"{"data":{"text":"secret""#, #"{"secret":1}"#] {
            guard case .reject(let reject) = decoder.decode(Array(line.utf8), into: &rows) else {
                Issue.record("not rejected: \(line)")
                continue
            }
            #expect(!"\(reject)".contains("secret"))
        }
    }

    static let controls: [(line: String, problem: ProblemObject)] = [
        (
            #"{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","#
                + #""detail":"gone","type":"https://api.x.com/2/problems/operational-disconnect"}]}"#,
            .init(
                title: "operational-disconnect", detail: "gone", type: "operational-disconnect",
                disconnectType: "UpstreamOperationalDisconnect")
        ),
        (
            #"{"title":"ConnectionException","detail":"full","connection_issue":"TooManyConnections","#
                + #""type":"https://api.twitter.com/2/problems/streaming-connection"}"#,
            .init(
                title: "ConnectionException", detail: "full", type: "streaming-connection",
                connectionIssue: "TooManyConnections")
        ),
        (
            #"{"data":null,"errors":[{"message":"Rate limit exceeded","code":88}]}"#,
            .init(message: "Rate limit exceeded")
        ),
        (#"{"errors":[7]}"#, .init()),
    ]

    @Test("errors without data are a message of X", arguments: controls)
    func control(line: String, problem: ProblemObject) {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        #expect(decoder.decode(Array(line.utf8), into: &rows) == .control(ControlMessage(problems: [problem])))
        #expect(rows.byteCount == 0)
    }

    @Test("errors beside data belong to a tweet")
    func partialErrors() {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        let line =
            #"{"data":{"id":"5","text":""},"errors":[{"title":"Not Found Error","type":"x/resource-not-found"}]}"#
        #expect(decoder.decode(Array(line.utf8), into: &rows) == .tweet(id: 5, isAltered: false))
    }

    @Test("an event of the journal is one", arguments: PipelineEvent.Kind.allCases)
    func event(kind: PipelineEvent.Kind) {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        let event = PipelineEvent(kind, connection: 7, cause: "test")
        #expect(decoder.decode(event.line, into: &rows) == .event(event))
    }

    @Test("lines do not disturb each other")
    func reuse() {
        var decoder = TweetDecoder()
        var rows = RelationRows()
        let tweet = Array(#"{"data":{"id":"5","text":"same"}}"#.utf8)
        #expect(decoder.decode(tweet, into: &rows) == .tweet(id: 5, isAltered: false))
        let first = bytes(rows)
        for (line, _) in Self.rejects {
            rows.removeAll()
            _ = decoder.decode(Array(line.utf8), into: &rows)
            #expect(rows.byteCount == 0)
            _ = decoder.decode(Array(#"{"data":{"id":"6","text":"\ud800 \u0000"}}"#.utf8), into: &rows)
            rows.removeAll()
            #expect(decoder.decode(tweet, into: &rows) == .tweet(id: 5, isAltered: false))
            #expect(bytes(rows) == first)
        }
    }

    private func bytes(_ rows: RelationRows) -> [UInt8] {
        Array(rows[.tweets].buffer.storage[..<rows[.tweets].buffer.count])
    }

    @Test("bytes of any kind are a row or a reason", arguments: [11, 12, 13])
    func mutations(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var decoder = TweetDecoder()
        var rows = RelationRows()
        let pieces: [[UInt8]] =
            [#"\u0000"#, #"\ud83d"#, "\"", "\\", "{", "}", "[", "]", ",", ":", "1e999", "null", "-", "\u{0}"].map {
                Array($0.utf8)
            }
            + [[0xFF], [0xED, 0xA0, 0x80]]
        for _ in 0..<3_000 {
            var line = Array(SampleTweets.full.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<line.count, using: &random)
                let end = min(line.count, place + Int.random(in: 0...3, using: &random))
                line.replaceSubrange(place..<end, with: pieces.randomElement(using: &random) ?? [])
            }
            let before = rows.byteCount
            if case .tweet = decoder.decode(line, into: &rows) {
                #expect(rows.byteCount > before)
                rows.removeAll()
            } else {
                #expect(rows.byteCount == before)
            }
        }
    }
}
