import Core
import Sandbox
import TestSupport
import Testing
import XAPI

/// Who follows whom, read from the simulator.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XFollowingTests {
    private func with(
        _ body: @escaping @Sendable (XSimulator, FollowingReader) throws -> Void
    ) async throws {
        let simulator = XSimulator()
        simulator.setAccount("42", name: "AbeStockmon", following: (1...2500).map { "\($0 * 7)" })
        simulator.setAccount("43", name: "lonely", following: [])
        try await simulator.start()
        let x = XSettings(url: simulator.url, token: .value(Secret(simulator.bearerToken)))
        do { try await blocking { try body(simulator, FollowingReader(x)) } } catch {
            await simulator.stop()
            throw error
        }
        await simulator.stop()
    }

    @Test func readsAllPages() async throws {
        try await with { simulator, reader in
            let account = try reader.lookUp("abestockmon")
            #expect(account.id == "42" && account.following == 2500)
            #expect(try reader.lookUp("42") == account)
            #expect(simulator.usersRead == 2)
            let list = try reader.read("abestockmon", id: account.id)
            #expect(list.accounts == (1...2500).map { "\($0 * 7)" } && list.account == "abestockmon" && list.id == "42")
            #expect(simulator.usersRead == 2502)
            #expect(try reader.read("lonely", id: "43").accounts == [])
        }
    }

    @Test func anAccountThatIsNotThereIsNamed() async throws {
        try await with { _, reader in
            let error = try #require(throws: XError.self) { try reader.lookUp("nobody") }
            #expect(error.disposition == .reject && error.description.contains("'nobody'"), "\(error)")
            #expect(error.description.contains("Could not find user"))
        }
    }

    @Test func refusalsAreThoseOfX() async throws {
        try await with { simulator, reader in
            simulator.inject(Fault(.refuse, endpoint: "users", answer: .forbidden))
            #expect(
                try #require(throws: XError.self) { try reader.lookUp("lonely") }.disposition == .operator(.credentials)
            )
            simulator.inject(Fault(.refuse, after: 1, endpoint: "users", answer: .rateLimit))
            // The second page fails: nothing of the first is taken for the list.
            let error = try #require(throws: XError.self) { try reader.read("abestockmon", id: "42") }
            #expect(error.disposition == .retry)
        }
    }

    @Test func listsAreKept() throws {
        let folder = try TemporaryFolder()
        let files = FollowingFiles(journalFolder: folder.path + "/journal")
        #expect(files.list(of: "a") == nil)
        try files.prepare()
        let list = FollowingList(account: "a", id: "1", readAt: .now(), accounts: ["3", "2"])
        try files.keep(list)
        #expect(FollowingFiles(journalFolder: folder.path + "/journal").list(of: "a") == list)
        try folder.write("{", to: "journal/.x/following-a.json")
        #expect(files.list(of: "a") == nil)
    }
}
