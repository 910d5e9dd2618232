import Core
import Harness
import TestSupport
import Testing
import XAPI

@testable import TweetProducer

/// What `tweet-producer doctor` finds in the rules at X and in the rules file.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct DoctorRulesTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// What is found while X has these rules, whose values are the tags, too.
    private func finding(_ values: String..., file: String?, source: StreamSource = .filtered) throws -> DoctorFinding {
        let list = values.enumerated().map { #"{"id":"\#($0 + 1)","value":"\#($1)","tag":"\#($1)"}"# }
        let x = try ScriptedServer {
            $0.answer(200, #"{"data":[\#(list.joined(separator: ","))]}"#, type: "application/json")
        }
        defer { x.close() }
        let settings = XSettings(url: x.url, token: .value(Secret("TEST-TOKEN")))
        if let file { try folder.write(file, to: "rules.yaml") }
        let path = file.map { _ in folder.path + "/rules.yaml" }
        return RulesDoctor(RuleWatchSettings(x: settings, file: path, source: source))
            .finding(beside: try XRules(settings).list())
    }

    @Test func noneAtX() throws {
        #expect(try finding(file: nil).status == .warn)
        #expect(try finding("cat", file: nil) == .ok("rules", "1 at X"))
        #expect(try finding(file: nil, source: StreamSource(.sample)).status == .ok)
        let added = try finding(file: "- value: cat\n  tag: cat\n")
        #expect(added == .ok("rules", "none at X; run adds 1 of the file"))
    }

    @Test func rulesThatDifferFromTheFile() throws {
        let file = "- value: cat\n  tag: cat\n"
        #expect(try finding("cat", file: file) == .ok("rules", "1 at X, as in the file"))
        let found = try finding("cat", "dog", file: file)
        #expect(found.status == .warn && found.detail.contains("0 to add, 1 to remove"), "\(found)")
        #expect(found.remedy == "tweet-producer rules plan; rules apply")
    }

    @Test func aRuleThatXWouldReject() throws {
        let found = try finding("dog", file: "- value: cat OR (dog\n  tag: cat\n")
        #expect(found.status == .fail && found.detail.contains("rules.yaml:1"), "\(found)")
    }
}
