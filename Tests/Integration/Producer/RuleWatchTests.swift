import Core
import Foundation
import Journal
import Sandbox
import Synchronization
import TestSupport
import Testing
import TweetFormat
import XAPI

@testable import TweetProducer

/// The watch over rules against the simulator's rule book.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct RuleWatchTests {
    private let folder: TemporaryFolder
    private let log = LogRecorder()
    private let journal = EventLog()

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Compares `file` with the rules of a simulator at `now`, and returns the warnings.
    private func warnings(
        _ file: String, _ rules: [(value: String, tag: String?)], now: Timestamp = .now(), prefix: String = "",
        prepare: (RuleMatches, [StreamRule]) -> Void = { _, _ in }
    ) async throws -> [LogRecorder.Line] {
        let simulator = XSimulator()
        try await simulator.start()
        simulator.replaceRules(rules)
        try folder.write(file, to: "rules.yaml")
        let matches = RuleMatches(folder: folder.path)
        prepare(matches, simulator.ruleHistory.last ?? [])
        let watch = RuleWatch(
            settings: RuleWatchSettings(
                x: XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken))),
                file: folder.path + "/rules.yaml", ownership: RuleOwnership(prefix: prefix)),
            matches: matches, stop: Stop(), logger: log.logger, deliver: journal.take)
        await withCheckedContinuation { done in
            Thread.detachNewThread {
                var watch = watch
                watch.check(now: now)
                done.resume()
            }
        }
        await simulator.stop()
        return log.lines.filter { $0.level >= .warning }
    }

    @Test func saysNothingWhenAllIsWell() async throws {
        let lines = try await warnings("- value: cat\n  tag: a\n", [("cat", "a")])
        #expect(lines.isEmpty)
        #expect(journal.takeEvents().isEmpty)
    }

    @Test func tellsWhatDiffers() async throws {
        let lines = try await warnings(
            "- value: cat\n  tag: a\n- value: dog\n- value: bird\n- value: fish\n",
            [("dog", "o/other"), ("extra", "o/"), ("fish", nil), ("foreign", "x")], prefix: "o/")
        #expect(
            lines.map { "\($0.message): \($0.metadata["values"] ?? "")" } == [
                "rules in the file are missing at X: cat | bird",
                "rules have a different tag at X than in the file: dog", "rules at X are not in the file: extra",
                "rules in the file exist at X under a tag without X_RULES_PREFIX: fish",
            ])
        #expect(
            journal.takeEvents() == [
                "rules_differ missing,changed,extra,taken 5 "
                    + "missing: cat | bird; changed: dog; extra: extra; taken: fish"
            ])
    }

    @Test func tellsRulesThatBringNothing() async throws {
        let week = Duration.seconds(7 * 86_400)
        let now = Timestamp.now()
        let lines = try await warnings(
            "- value: cat\n- value: dog\n", [("cat", nil), ("dog", nil)], now: now.advanced(by: week + .seconds(60))
        ) { matches, rules in
            let cat = rules.filter { $0.value == "cat" }.compactMap { Int64($0.id) }
            matches.count(cat, at: now.advanced(by: .seconds(3600)))
        }
        #expect(lines.map(\.message) == ["rules in the file have matched no post for longer than X_RULES_SILENCE"])
        #expect(lines.map { $0.metadata["values"] } == ["dog"])
        #expect(journal.takeEvents() == ["rules_silent 1 dog"])
        // What was counted is still known after a new start.
        let text = try String(contentsOfFile: folder.path + "/rule-matches.json", encoding: .utf8)
        #expect(text.contains("\"posts\":1"))
        #expect(
            RuleMatches(folder: folder.path, now: .now().advanced(by: week)).quietSince("1") < now.advanced(by: week))
    }

    /// Looks at a simulator's rules, one list after the other, and delivers to the journal while `isTaken` says so; `file` is
    /// a rules file in the folder, and `looks` gets the simulator and what makes the watch look at a moment.
    private func look<Found: Sendable>(
        file: String? = nil, isTaken: Taking,
        _ looks: @escaping @Sendable (XSimulator, (Timestamp) -> Void) -> Found
    ) async throws -> Found {
        let simulator = XSimulator()
        try await simulator.start()
        let x = XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken)))
        let watch = RuleWatch(
            settings: RuleWatchSettings(x: x, file: file.map { folder.path + "/" + $0 }),
            matches: RuleMatches(folder: folder.path), stop: Stop(), logger: log.logger,
            deliver: { isTaken.state.withLock { $0 } ? journal.take($0) : .failed })
        let found = try await blocking {
            var watch = watch
            return looks(simulator) { watch.check(now: $0) }
        }
        await simulator.stop()
        return found
    }

    /// Whether the journal accepts what the watch delivers.
    private final class Taking: Sendable {
        let state = Mutex(true)

        func set(_ isTaken: Bool) { state.withLock { $0 = isTaken } }
    }

    /// Rules at X, one list after the other, and what is journalled of each.
    @Test func theJournalHearsOfWhatChanges() async throws {
        try folder.write("- value: cat\n- value: dog\n", to: "rules.yaml")
        let isTaken = Taking()
        let found = try await look(file: "rules.yaml", isTaken: isTaken) { [journal] simulator, look in
            var found: [[String]] = []
            func check(_ rules: [String], at now: Timestamp = .now()) {
                simulator.replaceRules(rules.map { ($0, nil) })
                look(now)
                found.append(journal.takeEvents())
            }
            check(["cat", "dog"])
            check(["cat"])
            check(["cat"])
            isTaken.set(false)
            check(["bird"])
            isTaken.set(true)
            check(["bird"])
            check(["cat", "dog"])
            check(["cat", "dog"], at: .now().advanced(by: .seconds(8 * 86_400)))
            check(["cat", "dog"])
            return found
        }
        #expect(
            found == [
                [], ["rules_differ missing 1 missing: dog"], [], [],
                ["rules_differ missing,extra 3 missing: cat | dog; extra: bird"], ["rules_agree"],
                ["rules_silent 2 cat | dog"], ["rules_heard"],
            ])
    }

    @Test func aFileThatCannotBeReadIsAWarning() async throws {
        let lines = try await warnings("- value: [cat\n", [])
        #expect(
            lines.map(\.message) == ["cannot compare the rules with the rules file; trying again at the next check"])
    }

    /// Lists at X, one after the other, and what is journalled of each.
    @Test func whatIsAskedIsJournalledAtTheStartAndWhenItChanges() async throws {
        let isTaken = Taking()
        let found = try await look(isTaken: isTaken) { [journal] simulator, look in
            var found: [[String]] = []
            func check(_ rules: [(String, String?)]?, fails: Bool = false) {
                if let rules { simulator.replaceRules(rules.map { (value: $0.0, tag: $0.1) }) }
                if fails { simulator.inject(Fault(.refuse, endpoint: "rules")) }
                look(.now())
                simulator.clearFaults()
                found.append(journal.takeRules())
            }
            check([])
            check([("cat", nil), ("dog", "pets")])
            check(nil)
            isTaken.set(false)
            check([("cat", "a \"tag\"")])
            isTaken.set(true)
            check(nil)
            check([("bird", nil)], fails: true)
            check(nil, fails: true)
            check(nil)
            return found
        }
        #expect(
            found == [
                ["1/1 of 0:"], ["1/1 of 2: cat - | dog pets"], [], [], ["1/1 of 1: cat a \"tag\""], [], [],
                ["1/1 of 1: bird -"],
            ])
        let messages = log.lines.filter { $0.level >= .info }.map { "\($0.message)" }
        #expect(messages == ["cannot read the rules at X; retrying", "the rules at X can be read again"])
    }

    @Test func aSampleIsRecordedInThePlaceOfRules() async throws {
        let x = XSettings(url: "http://127.0.0.1:1", token: .value(Secret("t")))
        var settings = RuleWatchSettings(x: x, source: StreamSource(.sample10, partition: 2))
        settings.interval = .seconds(10)
        var watch = RuleWatch(
            settings: settings, matches: RuleMatches(folder: folder.path), stop: Stop(), logger: log.logger,
            deliver: journal.take)
        watch.check(now: .now())
        #expect(journal.takeRules() == ["1/1 of 1: GET /2/tweets/sample10/stream?partition=2 -"])
        // Once; and X is not asked.
        watch.check(now: .now())
        #expect(journal.takeRules() == [] && log.lines.isEmpty)
    }

    /// A filter whose list of accounts no command has read yet: told, and the rules that X holds for it are no strangers.
    @Test func aListThatWasNeverReadIsTold() async throws {
        let lines = try await warnings(
            "- filter: stock\n  words: [coffee]\n  following: '@abestockmon'\n", [("coffee OR from:7", "stock")])
        #expect(lines.map(\.message) == ["accounts that filters follow were never read from X; run rules apply"])
        #expect(lines.map { $0.metadata["values"] } == ["abestockmon"])
        #expect(journal.takeEvents().isEmpty)
    }

    @Test func whatAFilterLacksAtXDiffers() async throws {
        let lines = try await warnings("- filter: tea\n  words: [tea, chai]\n", [("tea", "tea"), ("mate", "tea.2")])
        #expect(
            lines.map { "\($0.message): \($0.metadata["values"] ?? "")" } == [
                "rules in the file are missing at X: tea OR chai", "rules at X are not in the file: tea | mate",
            ])
    }

    @Test func aRequestIsTakenOnce() throws {
        let journal = try Journal.open(folder: folder.path, stream: "s", options: JournalOptions())
        #expect(!RuleCheckRequest.take(from: journal.source.folder))
        RuleCheckRequest.leave(in: folder.path)
        RuleCheckRequest.leave(in: folder.path)
        #expect(RuleCheckRequest.take(from: journal.source.folder))
        #expect(!RuleCheckRequest.take(from: journal.source.folder))
        RuleCheckRequest.leave(in: folder.path + "/nowhere")
    }

    @Test func aDamagedCountBeginsAnew() throws {
        try folder.write("{\"since\":", to: "rule-matches.json")
        let matches = RuleMatches(folder: folder.path, now: Timestamp(milliseconds: 1000))
        #expect(matches.quietSince("1") == Timestamp(milliseconds: 1000))
        #expect(matches.posts(of: "1") == 0)
    }
}

/// What the watch has journalled.
private final class EventLog: Sendable {
    private let events = Mutex<[PipelineEvent]>([])

    /// As the reader does.
    func take(_ chunk: JournalChunk) -> ChunkDelivery {
        events.withLock { $0 += chunk.events }
        return .durable
    }

    /// The lists of rules so far, as `part/parts of rules: value tag | …`; all events are forgotten.
    func takeRules() -> [String] {
        events.withLock { events in
            defer { events = [] }
            return events.filter { $0.type == .rules }.map { event in
                let rules = (event.rules ?? []).map { "\($0.value) \($0.tag ?? "-")" }.sorted().joined(separator: " | ")
                return "\(event.part ?? 0)/\(event.parts ?? 0) of \(event.lines ?? -1):" + (rules.isEmpty ? "" : " ")
                    + rules
            }
        }
    }

    /// The events so far, as `type cause lines detail`; they are forgotten.
    func takeEvents() -> [String] {
        events.withLock { events in
            defer { events = [] }
            return events.filter { $0.type != .rules }.map { event in
                [event.type.rawValue, event.cause, event.lines.map(String.init), event.detail].compactMap { $0 }
                    .joined(separator: " ")
            }
        }
    }
}
