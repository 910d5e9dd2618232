import Core
import Journal
import Sandbox
import Synchronization
import TestSupport
import Testing
import TweetFormat
import XAPI

@testable import TweetProducer

/// The running producer keeps filters up to date that follow accounts: its watch over rules, against the simulator.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct FollowingRefreshTests {
    private let folder: TemporaryFolder
    private let log = LogRecorder()
    private let simulator = XSimulator()

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("- filter: stock\n  following: '@abe'\n", to: "rules.yaml")
    }

    private var files: FollowingFiles { FollowingFiles(journalFolder: folder.path) }
    private var held: [String] { (simulator.ruleHistory.last ?? []).map { "\($0.tag ?? "-"): \($0.value)" } }
    private var messages: [String] { log.lines.filter { $0.level >= .info }.map { "\($0.message)" } }

    /// The list of account 42, read a day ago.
    private func keepYesterday(_ accounts: [String]) throws {
        try files.prepare()
        let yesterday = Timestamp.now().advanced(by: .seconds(-86_400))
        try files.keep(FollowingList(account: "abe", id: "42", readAt: yesterday, accounts: accounts))
    }

    /// Runs checks of the watch, one for each step, after what the step does.
    private func watch(
        _ limits: PostLimits = PostLimits(), posts: Int = 0,
        _ steps: @escaping @Sendable (_ check: (Timestamp) -> Void, _ counter: PostCounter) throws -> Void
    ) async throws {
        try await simulator.start()
        let settings = RuleWatchSettings(
            x: XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken))),
            file: folder.path + "/rules.yaml", following: files)
        let (log, folder) = (log, folder)
        do {
            try await blocking {
                let counter = try PostCounter(folder: folder.path)
                counter.add(posts, at: .now())
                let stop = Stop()
                var watch = RuleWatch(
                    settings: settings, matches: RuleMatches(folder: folder.path), stop: stop, logger: log.logger,
                    refresh: FollowingRefresh(
                        settings, posts: counter, limits: limits, stop: stop, logger: log.logger),
                    deliver: { _ in .durable })
                try steps({ watch.check(now: $0) }, counter)
            }
        } catch {
            await simulator.stop()
            throw error
        }
        await simulator.stop()
    }

    @Test func aListOfYesterdayIsReadAgainOnceAndTheRulesFollow() async throws {
        try keepYesterday(["7", "9"])
        try await watch { [self] check, counter in
            simulator.setAccount("42", name: "Abe", following: ["7", "8"])
            simulator.replaceRules([("from:7 OR from:9", "stock")])
            check(.now())
            #expect(held == ["stock: from:7 OR from:8"])
            #expect(simulator.ruleHistory.allSatisfy { rules in rules.isEmpty || rules.contains { $0.tag == "stock" } })
            #expect(files.list(of: "abe")?.accounts == ["7", "8"])
            // One to learn their number, and two: at twice the price of a post.
            #expect(simulator.usersRead == 3 && counter.charged(since: 0) == 6 && counter.posts(since: 0) == 0)
            check(.now())
            #expect(simulator.usersRead == 3, "not before tomorrow")
            check(.now().advanced(by: .seconds(86_401)))
            #expect(simulator.usersRead == 6 && held == ["stock: from:7 OR from:8"])
        }
        #expect(
            messages == [
                "read the accounts that a filter follows again",
                "changed the rules of filters at X: the accounts that they follow have changed",
                "read the accounts that a filter follows again",
            ])
        // What was charged is still known after a new start, and is no post.
        #expect(try PostCounter(folder: folder.path).charged(since: 0) == 12)
        #expect(PostCounter.stored(in: folder.path).isEmpty)
    }

    @Test func aListThatCannotBeReadStaysAndIsTriedAgainLater() async throws {
        try keepYesterday(["7"])
        try await watch { [self] check, _ in
            simulator.replaceRules([("from:7", "stock")])
            let now = Timestamp.now()
            simulator.inject(Fault(.refuse, endpoint: "users"))
            check(now)
            simulator.clearFaults()
            simulator.setAccount("42", name: "Abe", following: ["7", "8"])
            check(now.advanced(by: .seconds(60)))
            #expect(files.list(of: "abe")?.accounts == ["7"] && held == ["stock: from:7"])
            #expect(simulator.usersRead == 0)
            check(now.advanced(by: .seconds(3601)))
            #expect(held == ["stock: from:7 OR from:8"])
        }
        #expect(messages.first == "cannot read the accounts that a filter follows again; keeping the list")
        #expect(log.lines.first { $0.level == .warning }?.metadata["reason"]?.contains("503") == true)
    }

    @Test func aListThatWouldExceedALimitIsNotRead() async throws {
        try keepYesterday((1...20).map { "\($0)" })
        let rule = (1...20).map { "from:\($0)" }.joined(separator: " OR ")
        try await watch(PostLimits(perDay: 1000), posts: 960) { [self] check, counter in
            simulator.setAccount("42", name: "Abe", following: ["7"])
            simulator.replaceRules([(rule, "stock")])
            check(.now())
            #expect(simulator.usersRead == 0 && held == ["stock: \(rule)"] && counter.charged(since: 0) == 960)
        }
        let reason = log.lines.first { $0.level == .warning }?.metadata["reason"] ?? ""
        #expect(reason.contains("21 accounts cost as much as 42 posts, and MAX_POSTS_PER_DAY"), "\(reason)")
    }

    /// What else differs from the file is an operator's to apply; until then nothing is paid.
    @Test func pendingChangesOfTheFileAreLeftToRulesApply() async throws {
        try keepYesterday(["7"])
        try folder.write("- value: tea\n- filter: stock\n  following: '@abe'\n", to: "rules.yaml")
        try await watch { [self] check, _ in
            simulator.setAccount("42", name: "Abe", following: ["8"])
            simulator.replaceRules([("from:7", "stock")])
            check(.now())
            #expect(simulator.usersRead == 0 && held == ["stock: from:7"])
        }
        #expect(messages == ["rules in the file are missing at X"])
    }

    @Test func rulesThatXDidNotAcceptFollowAtTheNextCheckUnlessTheFileHasChanged() async throws {
        try keepYesterday(["7"])
        try await watch { [self] check, _ in
            simulator.setAccount("42", name: "Abe", following: ["8"])
            simulator.replaceRules([("from:7", "stock")])
            simulator.inject(Fault(.refuse, after: 1, endpoint: "rules"))
            check(.now())
            simulator.clearFaults()
            #expect(held == ["stock: from:7"])
            let file = try readTextFile(folder.path + "/rules.yaml")
            try folder.write(file + "- value: tea\n", to: "rules.yaml")
            check(.now())
            #expect(held == ["stock: from:7"])
            try folder.write(file, to: "rules.yaml")
            check(.now())
            #expect(held == ["stock: from:8"] && simulator.usersRead == 2)
        }
        #expect(
            messages.contains(
                "cannot change the rules of filters whose followed accounts have changed; trying again at the next check"
            ))
    }
}
