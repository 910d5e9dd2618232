import Foundation
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import KafkaClient
@testable import ObjectStore
@testable import Postgres
@testable import TweetLoader
@testable import TweetProducer
@testable import XAPI

/// Rules, settings, properties, tokens and keys come from editors and machines of all kinds.
@Suite(.timeLimit(.minutes(5))) struct TextFileTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.path + "/file"
    }

    private func write(_ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: path)) }

    @Test func oneByteOrderMarkIsDropped() throws {
        try write([0xEF, 0xBB, 0xBF] + Array("caf\u{e9}\n".utf8))
        #expect(try readTextFile(path) == "caf\u{e9}\n")
        try write([0xEF, 0xBB, 0xBF, 0xEF, 0xBB, 0xBF, 0x61])
        #expect(try readTextFile(path) == "\u{feff}a")
    }

    private static func bytes(_ text: String, _ more: UInt8...) -> [UInt8] { Array(text.utf8) + more }

    private static let broken: [(bytes: [UInt8], expected: String)] = [
        (bytes("- value: caf", 0xE9, 0x0A), "not UTF-8: byte 0xE9 at line 1, column 13"),
        (bytes("a\nb\u{e9}\u{20ac}", 0xC3), "byte 0xC3 at line 2, column 4"),
        (bytes("a\n", 0xED, 0xA0, 0x80), "byte 0xED at line 2, column 1"),
        (bytes("", 0xC0, 0x80), "byte 0xC0 at line 1, column 1"),
        (bytes("", 0xFF, 0xFE, 0x61, 0), "UTF-16 (byte order mark at line 1, column 1)"),
        (bytes("", 0xFE, 0xFF, 0, 0x61), "UTF-16"), (bytes("a", 0, 0x62, 0), "not text: NUL at line 1, column 2"),
    ]

    @Test(arguments: broken)
    func anythingButUTF8IsAnErrorWithItsPlace(bytes: [UInt8], expected: String) throws {
        try write(bytes)
        let error = #expect(throws: FileError.self) { try readTextFile(path) }
        #expect(error?.description.contains(expected) == true, "\(error as Any)")
        #expect(error?.description.contains(path) == true)
        let rules = #expect(throws: XError.self) { try RulesFile(path: path, plan: .selfServe) }
        #expect(rules?.disposition == .reject && rules?.description.contains(expected) == true)
        let settings = #expect(throws: SettingsError.self) {
            try SettingsReader(flags: [:], configFile: path, known: [], environment: [:])
        }
        #expect(settings?.disposition == .operator(.settings) && settings?.description.contains(expected) == true)
        let properties = #expect(throws: KafkaClientError.self) { try KafkaConfiguration(file: path, overrides: [:]) }
        #expect(properties?.disposition == .operator(.settings) && properties?.description.contains(expected) == true)
        let token = #expect(throws: XError.self) { try BearerToken.file(path).read() }
        #expect(token?.disposition == .operator(.settings) && token?.description.contains(expected) == true)
        let keys = #expect(throws: S3Error.self) { try S3CredentialSource.read(path, profile: "default") }
        #expect(keys?.disposition == .operator(.credentials) && keys?.description.contains(expected) == true)
    }

    @Test func aByteOrderMarkDoesNoHarmAnywhere() throws {
        try folder.write("\u{feff}- value: cat\n  tag: bom\n", to: "file")
        #expect(try RulesFile(path: path, plan: .selfServe).rules.map(\.value) == ["cat"])
        try folder.write("\u{feff}kafka_topic: bug1\n", to: "file")
        #expect(try reader(KafkaSettings.settings).string(KafkaSettings.topicSetting) == "bug1")
        try folder.write("\u{feff}bootstrap.servers=127.0.0.1:42209\n", to: "file")
        #expect(try KafkaConfiguration(file: path, overrides: [:]).bootstrapServers == "127.0.0.1:42209")
        try folder.write("\u{feff}holdout-token\n", to: "file")
        #expect(try BearerToken.file(path).read().value == "holdout-token")
    }

    @Test func tokensAreTrimmedAndBearerIsNamed() throws {
        try folder.write(" \t AAAA-trimmed \r\n\n", to: "file")
        #expect(try BearerToken.file(path).read().value == "AAAA-trimmed")
        try folder.write("Bearer AAAA\n", to: "file")
        let failure = #expect(throws: XError.self) { try BearerToken.file(path).read() }
        #expect(failure?.description.contains("leave out 'Bearer '") == true)
        #expect(failure?.description.contains("AAAA") == false)
    }

    @Test func nullsOfYAMLAreAbsent() throws {
        try folder.write(
            """
            - {value: cat, tag: null}
            - {value: dog, tag: ~}
            - value: cow
              tag:
            - {value: hen, tag: ""}
            - {value: pig, tag: NULL}
            - {value: elk, tag: 'null'}
            """, to: "file")
        #expect(try RulesFile(path: path, plan: .selfServe).rules.map(\.tag) == [nil, nil, nil, nil, nil, "null"])
        try folder.write("kafka_topic: ~\nkafka_bootstrap_servers: Null\nkafka_token_file: '~'\n", to: "file")
        let reader = try reader(KafkaSettings.settings)
        #expect(reader.string(KafkaSettings.topicSetting) == nil && reader.string(KafkaSettings.servers) == nil)
        #expect(reader.string(KafkaSettings.tokenFile) == "~")
    }

    private func reader(
        _ known: [Setting], environment: [String: String] = [:], flags: [String: String] = [:]
    ) throws -> SettingsReader {
        try SettingsReader(flags: flags, configFile: path, known: known, environment: environment)
    }

    @Test func allErrorsOfSettingsComeTogetherEachWithItsOrigin() throws {
        try folder.write(
            "kafka_topik: a\nplan: b\n\nx_connect_timeout: fast\ndatabaze_url: c\nx_stall_timeout: 30\n", to: "file")
        let known =
            KafkaSettings.settings + XSettings.settings + StreamSettings.settings + [
                AccountPlan.setting, PostgresConninfo.setting,
            ]
        var reader = try reader(
            known, environment: ["X_BEARER_TOKEN": "t", "X_CONNECT_BUDGET": "no"], flags: ["X_URL": "api"])
        _ = StreamSettings(&reader)
        let text = #expect(throws: SettingsError.self) { try reader.finish() }?.description ?? ""
        for expected in [
            "\(path):1: unknown setting 'kafka_topik'; did you mean kafka_topic?",
            "\(path):2: unknown setting 'plan'; did you mean x_plan?",
            "\(path):4 x_connect_timeout: 'fast' is not a time",
            "\(path):5: unknown setting 'databaze_url'; did you mean database_url?",
            "environment X_CONNECT_BUDGET: 'no'",
            "--x-url: 'api'",
            "\(path):6 x_stall_timeout: '30' is not a time such as 250ms, 30s, 5m, 2h or 30d; seconds are written 30s",
        ] {
            #expect(text.contains(expected), "\(expected) is not in:\n\(text)")
        }
        #expect(!text.contains("known settings"))
    }

    @Test func whatYAMLCannotReadIsNamedWithoutItsText() throws {
        try folder.write("kafka_topic: a\nx_bearer_token: \"C4nary: S3cret\n", to: "file")
        let failure = #expect(throws: SettingsError.self) { try reader(XSettings.settings) }
        #expect(failure?.description.contains("line") == true)
        #expect(failure?.description.contains("S3cret") == false)
    }

    @Test func timesHaveOneGrammar() throws {
        let now = try #require(Timestamp("2026-03-31T12:00:00Z"))
        for (text, expected) in [
            ("2026-11-28T01:02:03Z", "2026-11-28T01:02:03.000Z"), ("2026-11-28", "2026-11-28T00:00:00.000Z"),
            ("2h", "2026-03-31T10:00:00.000Z"), ("30d", "2026-03-01T12:00:00.000Z"),
            ("1month", "2026-02-28T12:00:00.000Z"),
            ("12months", "2025-03-31T12:00:00.000Z"), ("2years", "2024-03-31T12:00:00.000Z"),
        ] {
            #expect(Timestamp(argument: text, now: now)?.description == expected, "\(text)")
        }
        for text in ["", "soon", "2", "2 h", "2026-11", "-2h", "2026-13-01"] {
            #expect(Timestamp(argument: text, now: now) == nil)
        }
        #expect(ArchiveKeep(setting: "12months") == .age(.seconds(86_400 * 366)))
        #expect(ArchiveKeep(setting: "30d") == .age(.seconds(86_400 * 30)))
    }

    @Test func streamNamesFollowOneRule() {
        for name in ["a", "2024", "a.b_c-d", String(repeating: "x", count: 64)] { #expect(StreamName.isValid(name)) }
        for name in ["", ".", "-a", "_a", "a/b", "é", "a b", String(repeating: "x", count: 65)] {
            #expect(!StreamName.isValid(name))
        }
    }
}
