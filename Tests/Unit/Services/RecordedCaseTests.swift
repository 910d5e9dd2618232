import Foundation
import TestSupport
import Testing

@testable import Core
@testable import KafkaClient
@testable import XAPI

/// Files of people who do this job, as they sent them; elsewhere `TextFileTests` and the tests of the rules have such files.
@Suite(.enabled(if: recordings("cases") != nil, "no recorded cases beside the checkout"), .timeLimit(.minutes(5)))
struct RecordedCaseTests {
    private func path(_ name: String) throws -> String { try #require(recordings("cases")).path + "/" + name }

    private func rules(_ name: String) throws -> RulesFile { try RulesFile(path: path(name), plan: .selfServe) }

    @Test("case 01: X's own aliases of operators are good rules, exported ones too")
    func case01RuleAliases() throws {
        let rules = try rules("01-rule-aliases/rules.yaml")
        #expect(rules.rules.count == 13)
        try rules.requireGood()
        let exported = try self.rules("01-rule-aliases/exported.yaml")
        #expect(exported.rules.map(\.tag) == ["vid", nil, "x"])
        try exported.requireGood()
    }

    @Test("case 02: YAML's nulls are no tag")
    func case02YAMLNull() throws {
        let rules = try rules("02-yaml-null-tag/null-tag.yaml").rules
        #expect(rules.map(\.value) == ["cat", "dog", "cow", "hen"] && rules.allSatisfy { $0.tag == nil })
    }

    @Test("case 03: Latin-1 is an error with its place")
    func case03Latin1() throws {
        let error = #expect(throws: XError.self) { try rules("03-latin1-text/latin1.yaml") }
        #expect(error?.disposition == .reject)
        #expect(error?.description.contains("not UTF-8: byte 0xE9 at line 1, column 13") == true)
    }

    @Test("case 04: a byte order mark is left out of rules, settings, properties and tokens")
    func case04ByteOrderMark() throws {
        #expect(try rules("04-bom/rules.yaml").rules.count == 1)
        let folder = "04-bom/"
        let reader = try SettingsReader(
            flags: [:], configFile: path(folder + "settings.yaml"), known: KafkaSettings.settings, environment: [:])
        #expect(reader.string(KafkaSettings.topicSetting) != nil || reader.string(KafkaSettings.servers) != nil)
        #expect(
            try KafkaConfiguration(file: path(folder + "bom.properties"), overrides: [:]).bootstrapServers.contains(":")
        )
        #expect(try BearerToken.file(path(folder + "token")).read().value.isEmpty == false)
    }

    @Test("case 30: properties as Java writes them")
    func case30JavaProperties() throws {
        let stored = try path("30-java-properties/stored.properties")
        let properties = try KafkaProperties.parse(readTextFile(stored), file: stored).mapValues(\.value)
        #expect(properties["bootstrap.servers"] == "127.0.0.1:19092")
        #expect(properties["sasl.password"] == "p\\ss:w " && properties["client.id"] == "caf\u{e9}=#1")
        let plain = try KafkaConfiguration(file: path("30-java-properties/k.properties"), overrides: [:])
        #expect(plain.bootstrapServers == "127.0.0.1:19092")
        let sasl = try path("30-java-properties/sasl.properties")
        #expect(try KafkaProperties.parse(readTextFile(sasl), file: sasl)["sasl.password"]?.value == "secret")
    }
}
