import Core
import TestSupport
import Testing

@testable import TweetProducer

/// `streams.yaml`: what it declares, and what is wrong with it.
@Suite(.timeLimit(.minutes(5))) struct StreamsFileTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("token-a\n", to: "a")
        try folder.write("token-b\n", to: "b")
        try folder.write("- value: cat\n  tag: cats\n", to: "rules.yaml")
    }

    private var path: String { folder.path + "/streams.yaml" }

    private func file(_ text: String) -> StreamsFile { StreamsFile(path: path, text: text) }

    /// What `validate` would report, line by line.
    private func errors(_ text: String) -> String {
        do throws(StreamsError) { try file(text).requireGood() } catch {
            #expect(error.disposition == .operator(.settings))
            return error.description
        }
        return ""
    }

    private static let example = """
        streams:
          - name: fintwit
            token_file: a
            rules_file: rules.yaml
            settings: { journal_segment_age: 15m, x_rules_prefix: 'o''s' }
          - name: all
            kind: sample10
            partition: 2
            token_file: /etc/token
            active: false
        defaults:
          kafka_bootstrap_servers: localhost:9092
          kafka_topic: tweets
        """

    @Test func defaultsKeysAndSettingsBecomeSettingsOfRun() throws {
        let file = file(Self.example)
        try file.requireGood()
        let text = StreamSettingsFile(file.streams[0], from: path).text
        #expect(
            text.split(separator: "\n").dropFirst(2).joined(separator: "\n") == """
                journal_dir: '/var/lib/tweet-pipeline/journal'
                journal_segment_age: '15m'
                kafka_bootstrap_servers: 'localhost:9092'
                kafka_topic: 'tweets'
                stream_name: 'fintwit'
                x_bearer_token_file: '\(folder.path)/a'
                x_rules_file: '\(folder.path)/rules.yaml'
                x_rules_prefix: 'o''s'
                """)
        let sample = file.streams[1]
        #expect(sample.kind == .sample10 && sample.partition == "2" && !sample.isActive)
        let written = StreamSettingsFile(sample, from: path).entries
        #expect(written.contains(.init(key: "x_stream", value: "sample10")))
        #expect(written.contains(.init(key: "x_partition", value: "2")))
        #expect(written.contains(.init(key: "x_bearer_token_file", value: "/etc/token")))
        #expect(sample.journal == "/var/lib/tweet-pipeline/journal/all")
    }

    /// The settings file is read back as it was written, and `run` reads the same from it.
    @Test func aSettingsFileIsReadBack() throws {
        let stream = file("streams: [{ name: s, token_file: a, settings: { kafka_topic: \"it's: 'x'\" } }]").streams[0]
        let written = StreamSettingsFile(stream, from: path)
        let read = try #require(StreamSettingsFile(text: written.text))
        #expect(read == written)
        try folder.write(written.text, to: "s.yaml")
        let reader = try SettingsReader(
            flags: [:], configFile: folder.path + "/s.yaml", known: ProducerSettings.known, environment: [:])
        #expect(reader.mistakes == [] && reader.text(StreamSettings.streamSetting) == "s")
        #expect(written.entries.first { $0.key == "kafka_topic" }?.value == "it's: 'x'")
        let changed = try #require(StreamSettingsFile(text: written.text.replacing("it''s", with: "its")))
        #expect(!changed.isIntact)
        #expect(StreamSettingsFile(text: "kafka_topic: x\n") == nil, "a foreign file")
    }

    @Test(arguments: [
        ("streams: 7", ":1: expected a list of streams"),
        ("strems: []", ":1: unknown key 'strems'"),
        ("streams:\n  - kind: filtered", ":2: the stream has no name"),
        ("streams:\n  - name: 'a b'", ":2: 'a b' is not a name of 1 to 64"),
        ("streams:\n  - name: x\n    tokn_file: a", ":3: unknown key 'tokn_file'; did you mean token_file?"),
        ("streams:\n  - name: x\n    kafka_topic: t", ":3: unknown key 'kafka_topic'; it belongs into `settings:`"),
        ("streams:\n  - name: x\n    kind: firehose", ":3: kind 'firehose' is not one of"),
        ("streams:\n  - name: x\n    active: maybe", ":3: active: 'maybe' is not true or false"),
        ("streams:\n  - name: x\n    kind: sample10", ":2: stream 'x': sample10 needs `partition: 1`"),
        ("streams:\n  - name: x\n    partition: 1", ":3: only sample10 has a partition"),
        ("streams:\n  - name: x\n    kind: sample\n    rules_file: r", ":4: stream 'x': a sample stream has no rules"),
        ("streams:\n  - name: x\n    settings: { kafka_topik: t }", ":3: unknown setting 'kafka_topik'; did you mean"),
        ("streams:\n  - name: x\n    settings: { x_rules_file: r }", ":3: 'x_rules_file' is written `rules_file`"),
        ("streams:\n  - { name: x, active: no }\n  - { name: x, active: no }", ":3: stream 'x' is in line 2, too"),
        ("defaults: { streams_file: x }", ":1: unknown setting 'streams_file'"),
        ("streams:\n  - name: x", ":2: stream 'x' has no token_file"),
        ("a: [", "not YAML: "),
        ("streams:\n  - name: x\n    name: y", "not YAML: more than one 'name', the first at line 2"),
    ])
    func errorsNameTheirLine(text: String, error: String) {
        let errors = errors(text)
        #expect(errors.contains(error), "\(errors)")
        #expect(errors.contains(path))
    }

    @Test func settingsAreCheckedAsRunDoesAndAllErrorsAreReported() {
        let errors = errors(
            """
            defaults: { drain: soon }
            streams:
              - { name: x, token_file: missing }
              - name: y
                token_file: b
                rules_file: none.yaml
            """)
        #expect(errors.contains("streams.yaml:1 drain: 'soon' is not a time"))
        #expect(errors.contains("stream 'x': X_BEARER_TOKEN_FILE: open \(folder.path)/missing"))
        #expect(errors.contains("stream 'y': rules file: open \(folder.path)/none.yaml"))
    }

    @Test func anEmptyFileDeclaresNothing() throws {
        for text in ["", "streams:\n", "streams: []\n", "defaults:\nstreams: ~\n"] {
            try file(text).requireGood()
            #expect(file(text).streams.isEmpty)
        }
    }

    // MARK: One credential, one stream

    @Test func f79TheSameTokenInTwoActiveStreamsIsAnErrorThatNamesBoth() throws {
        try folder.write(" token-a \n", to: "copy")
        let twins = [
            "{ name: y, token_file: a }", "{ name: y, token_file: copy }",
            "{ name: y, kind: sample, token_file: copy }",
            "{ name: y, settings: { x_bearer_token: token-a } }",
        ]
        for twin in twins {
            let errors = errors("streams:\n  - { name: x, token_file: a }\n  - \(twin)\n")
            #expect(errors.hasPrefix("streams 'x' (\(path):2) and 'y' (\(path):3) have the same token"), "\(errors)")
            #expect(!errors.contains("token-a"))
            let inactive = twin.replacing("name: y", with: "name: y, active: false")
            #expect(self.errors("streams:\n  - { name: x, token_file: a }\n  - \(inactive)\n") == "")
        }
        #expect(errors("streams:\n  - { name: x, token_file: a }\n  - { name: y, token_file: b }\n") == "")
    }

    /// Each endpoint of an enterprise account has connections of its own.
    @Test func withAnEnterprisePlanEndpointsShareAToken() {
        let head = "defaults: { x_plan: enterprise }\nstreams:\n  - { name: x, token_file: a }\n"
        #expect(errors(head + "  - { name: y, kind: sample, token_file: a }\n") == "")
        #expect(errors(head + "  - { name: y, token_file: a }\n").contains("have the same token"))
        let parts = (1...2).map { "  - { name: p\($0), kind: sample10, partition: \($0), token_file: a }\n" }.joined()
        #expect(errors(head + parts) == "")
    }
}
