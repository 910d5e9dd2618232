import Core
import Foundation
import TestSupport
import Testing

@testable import TweetProducer

/// What `config show` prints, and the completions that are made from the declarations.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct ConfigCommandTests {
    @Test func everySettingIsShownWithValueAndSource() throws {
        let run = try ProducerCommand(
            ["config", "show", "--batch-size", "7"],
            ["X_BEARER_TOKEN": "S3cretToken", "JOURNAL_KEEP": "30d", "KAFKA_TOPIC": "t"])
        #expect(run.status == 0, "\(run.errors)")
        for setting in ProducerSettings.known { #expect(run.output.contains(setting.environment)) }
        #expect(run.output.contains(/BATCH_SIZE +7 +--batch-size/))
        #expect(run.output.contains(/JOURNAL_KEEP +30d +environment/))
        #expect(run.output.contains(/JOURNAL_DIR +\.\/journal +default/))
        #expect(run.output.contains(/X_BEARER_TOKEN +set +environment/))
        #expect(run.output.contains(/AWS_SECRET_ACCESS_KEY +not set +-/))
        #expect(!(run.output + run.errors).contains("S3cret"))
    }

    @Test func numbersAreNumbersInJSON() throws {
        let run = try ProducerCommand(
            ["config", "show", "--json", "--drain", "1500ms"],
            ["X_BEARER_TOKEN": "S3cretToken", "JOURNAL_QUOTA": "1GiB", "http_proxy": ""])
        #expect(run.status == 0, "\(run.errors)")
        struct Answer: Decodable {
            struct Entry: Decodable {
                let name: String
                let source: String
                let unit: String?
            }
            let version: Int
            let settings: [Entry]
            let errors: [String]
        }
        let answer = try JSONDecoder().decode(Answer.self, from: Data(run.output.utf8))
        #expect(answer.version == 1 && answer.errors.isEmpty)
        #expect(answer.settings.map(\.name) == ProducerSettings.known.map(\.environment))
        for part in [
            #"{"flag":"--batch-size","name":"BATCH_SIZE","source":"default","value":100}"#,
            #"{"flag":null,"name":"JOURNAL_QUOTA","source":"environment","unit":"bytes","value":1073741824}"#,
            #"{"flag":"--drain","name":"DRAIN","source":"--drain","unit":"seconds","value":1.5}"#,
            #"{"flag":null,"name":"X_BEARER_TOKEN","source":"environment","value":"set"}"#,
        ] { #expect(run.output.contains(part), "\(part)") }
    }

    @Test func aWrongSettingIsShownWithItsError() throws {
        let run = try ProducerCommand(
            ["config", "show"], ["X_BEARER_TOKEN": "t", "BATCH_SIZE": "many", "DRAIN": "30"])
        #expect(run.status == 78)
        let lines = run.output.split(separator: "\n")
        let line = try #require(lines.firstIndex { $0.hasPrefix("BATCH_SIZE ") })
        #expect(lines[line + 1] == "  error: environment BATCH_SIZE: 'many' is not a whole number from 1 to 100000")
        #expect(run.errors.contains("environment DRAIN: '30' is not a time"))
    }

    @Test func anUnknownFlagIsSuggested() throws {
        let run = try ProducerCommand(["run", "--batch-sise", "7"], [:])
        #expect(run.status == 64 && run.errors.contains("--batch-size"))
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func completionsHaveEveryFlagAndChoice(shell: String) throws {
        let run = try ProducerCommand(["--generate-completion-script", shell], [:])
        #expect(run.status == 0)
        for setting in ProducerSettings.known {
            if let flag = setting.flag { #expect(run.output.contains(flag), "\(flag)") }
            if setting.flag != nil, case .choice(let words) = setting.kind {
                for word in words { #expect(run.output.contains(word), "\(word)") }
            }
        }
        guard
            let program = ["/bin/", "/usr/bin/"].map({ $0 + shell }).first(where: FileManager.default.isExecutableFile)
        else { return }
        let script = FileManager.default.temporaryDirectory.appending(path: "completion-\(UUID()).\(shell)")
        defer { try? FileManager.default.removeItem(at: script) }
        try run.output.write(to: script, atomically: true, encoding: .utf8)
        let check = try Process.run(URL(filePath: program), arguments: ["-n", script.path])
        check.waitUntilExit()
        #expect(check.terminationStatus == 0)
    }
}
