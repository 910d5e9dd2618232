import Core
import Foundation
import Sandbox
import TestSupport
import Testing
import XAPI

/// Filters of a rules file: `tweet-producer rules` as processes, against the simulator.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct FilterCommandTests {
    private let folder: TemporaryFolder
    private let simulator = XSimulator()

    init() throws {
        folder = try TemporaryFolder()
    }

    private func write(_ text: String) throws { try folder.write(text, to: "rules.yaml") }

    private func rules(_ arguments: String..., environment more: [String: String] = [:]) async throws -> ProducerCommand
    {
        let environment = [
            "X_URL": simulator.url, "X_BEARER_TOKEN": simulator.bearerToken, "JOURNAL_DIR": folder.path + "/journal",
            "X_RULES_FILE": folder.path + "/rules.yaml", "LOG_FORMAT": "text",
        ].merging(more) { $1 }
        return try await blocking { try ProducerCommand(["rules"] + arguments, environment) }
    }

    private func with(_ body: () async throws -> Void) async throws {
        try await simulator.start()
        do { try await body() } catch {
            await simulator.stop()
            throw error
        }
        await simulator.stop()
    }

    private var held: [String] { (simulator.ruleHistory.last ?? []).map { "\($0.tag ?? "-"): \($0.value)" } }

    private static let coffeePlan = """
        + add     -       cat has:images
        + add     coffee  coffee OR "flat white"
        2 to add, 0 to remove, 0 to change, 0 to keep
        filter coffee: 2 terms in 1 rule

        """

    @Test func aFilterIsPlannedAppliedAndChanged() async throws {
        try write("- value: cat has:images\n- filter: coffee\n  words: [coffee, flat white]\n")
        try await with {
            let plan = try await rules("plan", "--exit-code")
            #expect(plan.status == 2, "\(plan)")
            #expect(plan.output == Self.coffeePlan)
            let applied = try await rules("apply", "--yes")
            #expect(applied.status == 0, "\(applied)")
            #expect(held == ["-: cat has:images", "coffee: coffee OR \"flat white\""])
            // Another word: a new rule first, and then the old one goes.
            try write(
                "- value: cat has:images\n- filter: coffee\n  words: [tea, coffee, flat white]\n  people: '@baristas'\n"
            )
            let changed = try await rules("apply", "--yes", "--plan", "self-serve")
            #expect(changed.output.contains("1 to add, 1 to remove, 0 to change, 1 to keep"), "\(changed)")
            #expect(held.last?.hasPrefix("coffee: coffee OR \"flat white\" OR ") == true)
            #expect(simulator.ruleHistory.allSatisfy { $0.contains { $0.value.contains("coffee") } || $0.count < 2 })
            let again = try await rules("plan", "--exit-code")
            #expect(again.status == 0 && again.output.hasPrefix("nothing to do"), "\(again)")
            let json = try await rules("plan", "--json")
            #expect(
                json.output.contains(#""filters":[{"following":[],"name":"coffee","rules":1,"terms":6}]"#), "\(json)")
            // Without the filter its rules go.
            try write("- value: cat has:images\n")
            #expect(try await rules("apply", "--yes").status == 0)
            #expect(held == ["-: cat has:images"])
        }
    }

    @Test func followedAccountsArePaidOnceADay() async throws {
        simulator.setAccount("42", name: "AbeStockmon", following: (1...50).map { "\($0)" })
        try write("- filter: stock\n  following: '@abestockmon'\n")
        try await with {
            // The plan shows the price of what it does not know, and pays only for the look at the account.
            let plan = try await rules("plan", "--exit-code", "--user-price", "0.02")
            #expect(plan.status == 2 && simulator.usersRead == 1, "\(plan)")
            #expect(
                plan.output.contains(
                    "@abestockmon follows 50 accounts, which are not in the rules yet; rules apply reads them for $1.00"
                ))
            let unasked = try await rules("apply")
            #expect(
                unasked.status == 64 && unasked.output.contains("@abestockmon follows 50 accounts, $0.50"), "\(unasked)"
            )
            #expect(simulator.usersRead == 2)
            let applied = try await rules("apply", "--yes")
            #expect(applied.status == 0 && simulator.usersRead == 53, "\(applied)")
            #expect(held.count == 1 && held[0].hasPrefix("stock: from:1 OR from:2 OR "))
            // Within a day nothing is asked again.
            let same = try await rules("apply", "--yes")
            #expect(same.status == 0 && same.output.hasPrefix("nothing to do") && simulator.usersRead == 53, "\(same)")
            let known = try await rules("plan", "--exit-code")
            #expect(known.status == 0 && known.output.contains("--refresh reads them again for $0.50"), "\(known)")
            #expect(simulator.usersRead == 53)
            try await expectRefreshedList()
        }
    }

    /// X's list has grown by one since it was read.
    private func expectRefreshedList() async throws {
        simulator.setAccount("42", name: "AbeStockmon", following: (1...51).map { "\($0)" })
        let refreshed = try await rules("plan", "--refresh", "--exit-code")
        #expect(
            refreshed.status == 2 && refreshed.errors.contains("reading from X: @abestockmon follows 50"),
            "\(refreshed)")
        #expect(refreshed.output.contains("OR from:51") && simulator.usersRead == 104)
        #expect(try await rules("apply", "--yes").status == 0)
        #expect(simulator.usersRead == 104 && held[0].hasSuffix(" OR from:51"))
    }

    @Test func aListOfYesterdayIsReadAgainByApplyAlone() async throws {
        simulator.setAccount("42", name: "AbeStockmon", following: ["7"])
        try write("- filter: stock\n  following: AbeStockmon\n")
        try await with {
            #expect(try await rules("apply", "--yes").status == 0)
            let read = simulator.usersRead
            let files = FollowingFiles(journalFolder: folder.path + "/journal")
            let yesterday = Timestamp.now().advanced(by: .seconds(-86_400))
            try files.keep(FollowingList(account: "abestockmon", id: "42", readAt: yesterday, accounts: ["7", "8"]))
            let plan = try await rules("plan")
            #expect(
                plan.output.contains("follows 2 accounts, read \(yesterday); rules apply reads them again for $0.02"),
                "\(plan)")
            #expect(simulator.usersRead == read)
            let applied = try await rules("apply", "--yes")
            #expect(applied.status == 0 && simulator.usersRead == read + 1 && held == ["stock: from:7"], "\(applied)")
            let json = try await rules("plan", "--json").output
            #expect(
                json.contains(#""account":"abestockmon","accounts":1,"dollars":0.01,"is_due":false,"read_at":""#),
                "\(json)")
        }
    }

    /// A suspended account must not keep other rules from being applied, nor take its own accounts away.
    @Test func aListThatXNoLongerGivesStaysAsItWas() async throws {
        simulator.setAccount("42", name: "gone", following: ["7", "8"])
        try write("- filter: stock\n  following: gone\n")
        try await with {
            #expect(try await rules("apply", "--yes").status == 0)
            simulator.setAccount("42", name: "gone", following: nil)
            try write("- filter: stock\n  words: [coffee]\n  following: gone\n")
            let applied = try await rules("apply", "--yes", "--refresh")
            #expect(
                applied.status == 0
                    && applied.errors.contains("warning: X does not list the accounts that 'gone' follows"))
            #expect(
                applied.errors.contains("Could not find user with id: [42]. Continuing with the list of 20"),
                "\(applied)")
            #expect(held == ["stock: from:7 OR from:8 OR coffee"])
        }
    }

    @Test func whatCannotBeReadChangesNothing() async throws {
        simulator.setAccount("42", name: "many", following: (1...37_000).map { "\($0)" })
        try write("- filter: stock\n  words: [coffee]\n  following: nobody\n")
        try await with {
            let unknown = try await rules("apply", "--yes")
            #expect(unknown.status == 65 && unknown.errors.contains("X has no account 'nobody'"), "\(unknown)")
            try write("- filter: stock\n  following: many\n")
            let many = try await rules("plan")
            #expect(many.status == 65 && many.errors.contains("more than the 36000 accounts"), "\(many)")
            #expect(simulator.usersRead == 1 && simulator.ruleHistory.allSatisfy(\.isEmpty))
            // A folder that cannot hold the list: nothing is paid for.
            simulator.setAccount("42", name: "many", following: ["1"])
            try folder.write("a file", to: "journal")
            let unkept = try await rules("apply", "--yes")
            #expect(unkept.status == 74 && simulator.usersRead == 2, "\(unkept)")
        }
    }

    @Test func theCostOfAFilterIsEstimated() async throws {
        let words = (0..<100).map { "word\($0)" }
        try write("- filter: many\n  words: [\(words.joined(separator: ", "))]\n")
        try await with {
            for query in CountQuery.queries(for: words.joined(separator: " OR "), plan: .selfServe) {
                simulator.counts[query.text] = 700
            }
            let plan = try await rules("plan", "--estimate")
            #expect(plan.status == 0 && plan.output.contains("estimate for 30 days: 6,000 posts, $30.00"), "\(plan)")
            #expect(simulator.countedQueries.count == 2)
        }
    }

    @Test func aSampleHasNoRules() async throws {
        try write("- value: cat\n")
        for arguments in [["plan"], ["apply", "--yes"], ["list"], ["export"]] {
            let run = try await blocking {
                try ProducerCommand(["rules"] + arguments, ["X_STREAM": "sample", "X_BEARER_TOKEN": "t"])
            }
            #expect(run.status == 78 && run.errors.contains("rules belong to the filtered stream"), "\(run)")
        }
    }

    @Test func validatesWithoutX() async throws {
        try write("- filter: coffee\n  words: [coffee, 'lang:en']\n")
        let bad = try await blocking { [folder] in
            try ProducerCommand(["rules", "validate", folder.path + "/rules.yaml"], [:])
        }
        #expect(bad.status == 65 && bad.errors.contains("rules.yaml:2: words: 'lang:en' is an operator"), "\(bad)")
        try write("- filter: coffee\n  words: [coffee]\n  following: nasa\n")
        let good = try await blocking { [folder] in
            try ProducerCommand(["rules", "validate", folder.path + "/rules.yaml"], [:])
        }
        #expect(good.status == 0 && good.output.contains("1 of at most 1000 rules"), "\(good)")
        #expect(good.output.contains("not counted: the accounts that @nasa follows"))
    }
}
