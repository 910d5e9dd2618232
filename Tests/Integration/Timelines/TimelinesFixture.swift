import Core
import Foundation
import Postgres
import Sandbox
import Synchronization
import TestSupport
import Testing
import XAPI

@testable import TweetTimelines

/// A database with the schema, a folder with a key file, and a simulator of X.
struct TimelinesFixture: Sendable {
    /// The database.
    let name: String
    let url: String
    let folder: TemporaryFolder
    let simulator: XSimulator

    private static let server = Result { try PostgresSandbox() }
    private static let counter = Atomic(0)
    static let client = "sandbox-client"

    /// Runs a test that blocks, on a thread of its own.
    static func with(_ body: @escaping @Sendable (TimelinesFixture) throws -> Void) async throws {
        let simulator = XSimulator()
        try await simulator.start()
        do { try await blocking { try body(try TimelinesFixture(simulator)) } } catch {
            await simulator.stop()
            throw error
        }
        await simulator.stop()
    }

    init(_ simulator: XSimulator) throws {
        name = "timelines\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        url = try Self.server.get().createDatabase(name)
        _ = try Migration.apply(to: PostgresConnection.connect(PostgresConninfo(url)))
        folder = try TemporaryFolder()
        self.simulator = simulator
        try writeKey("key", String(repeating: "0a", count: 32))
    }

    func writeKey(_ name: String, _ digits: String) throws {
        try folder.write(digits, to: name)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: folder.path + "/" + name)
    }

    /// Runs statements as the superuser.
    @discardableResult
    static func superuser(_ sql: String, _ database: String) throws -> String {
        try server.get().query(sql, database: database)
    }

    func connect() throws -> PostgresConnection { try PostgresConnection.connect(PostgresConninfo(url)) }

    @discardableResult
    func query(_ sql: String, _ parameters: [String?] = []) throws -> [[String?]] {
        try connect().query(sql, parameters, doing: "test").rows
    }

    /// The key and the tokens under it.
    func store(_ connection: borrowing PostgresConnection, key: String = "key", old: String? = nil) throws -> TokenStore
    {
        let current = try TokenKey(file: folder.path + "/" + key)
        let before = try old.map { try TokenKey(file: folder.path + "/" + $0) }
        return TokenStore(vault: try TokenVault(current, old: before, connection))
    }

    func refresh(_ store: TokenStore) throws -> TokenRefresh {
        TokenRefresh(
            store: store,
            endpoint: TokenEndpoint(
                url: simulator.url, client: OAuthClient(id: Self.client, secret: nil), caFile: nil),
            client: Self.client, conninfo: try PostgresConninfo(url), stop: nil)
    }

    /// The environment of the program.
    var environment: [String: String?] {
        [
            "DATABASE_URL": url, "X_URL": simulator.url, "X_LOGIN_URL": simulator.url, "X_CLIENT_ID": Self.client,
            "TIMELINE_KEY_FILE": folder.path + "/key",
        ]
    }

    /// Runs the program to its end; standard input is a file in the folder.
    func run(
        _ arguments: [String], input: String = "", environment more: [String: String?] = [:]
    ) throws -> (exit: ChildProcess.Exit, output: String) {
        try folder.write(input, to: "input")
        let program = try siblingExecutable("tweet-timelines")
        var command = ChildCommand("/bin/sh", ["-c", "exec \"$0\" \"$@\" <input", program] + arguments)
        command.environment = environment.merging(more) { $1 }
        command.folder = folder.path
        return try ChildProcess.run(command)
    }
}
