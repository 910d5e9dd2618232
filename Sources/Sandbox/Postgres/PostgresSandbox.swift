import Core
import FoundationEssentials
import Glibc
import Synchronization

/// A throw-away PostgreSQL cluster from the installed server programs, also for root.
///
/// It listens on a free port of 127.0.0.1 and on a socket in its folder, trusts local connections only, and has a
/// database `tweets` owned by the role `tweets`, which is no superuser: about what an RDS master user may do.
/// Every call blocks until it is done. The cluster is deleted after `destroy()`, when the process exits, and, by the
/// kernel's and the next sandbox's help, after the process was killed.
package final class PostgresSandbox: Sendable {
    /// How the server is stopped (pg_ctl(1), --mode).
    package enum StopMode: Sendable {
        /// Sessions are ended, the data is flushed.
        case fast
        /// As a crash: everything ends at once, and the next start recovers.
        case immediate

        var signal: Int32 { self == .fast ? SIGINT : SIGQUIT }
    }

    /// The port, the same after a restart.
    package var port: Int { chosenPort.withLock { $0 } }
    private let chosenPort: Mutex<Int>
    private let installation: PostgresInstallation
    private let folder: SandboxFolder
    private let settings: [String: String]
    private let server = Mutex<ChildProcess?>(nil)

    /// Creates the cluster and starts it.
    ///
    /// - Parameters:
    ///   - fsync: off is faster and right unless the machine itself is to be crashed; killed servers lose nothing.
    ///   - settings: more settings for postgresql.conf.
    /// - Throws: `Failure` (unavailable, disk): not installed, or the server's own words.
    package init(fsync: Bool = false, settings: [String: String] = [:]) throws(Failure) {
        SandboxFolder.deleteLeftovers()
        installation = try PostgresInstallation.find()
        folder = try SandboxFolder(user: installation.user)
        chosenPort = Mutex(try freePort())
        self.settings = settings.merging(
            ["fsync": fsync ? "on" : "off", "max_connections": "200"], uniquingKeysWith: { given, _ in given })
        SandboxesAtExit.add(self)
        do { try create() } catch {
            destroy()
            throw error
        }
    }

    /// Creates a streaming replica of another cluster and starts it; `SELECT pg_promote()` makes it a primary.
    ///
    /// - Throws: `Failure` (unavailable, disk) as above.
    package init(replicaOf primary: PostgresSandbox) throws(Failure) {
        installation = primary.installation
        folder = try SandboxFolder(user: installation.user)
        chosenPort = Mutex(try freePort())
        settings = primary.settings
        SandboxesAtExit.add(self)
        do { try copy(primary) } catch {
            destroy()
            throw error
        }
    }

    deinit {
        destroy()
    }

    /// Where the role `tweets` finds the database `tweets` (or another of its own), over TCP.
    package func url(database: String = "tweets") -> String {
        "postgresql://tweets@127.0.0.1:\(port)/\(database)"
    }

    /// The same over the Unix socket.
    package func socketURL(database: String = "tweets") -> String {
        "postgresql:///\(database)?host=\(folder.path)&port=\(port)&user=tweets"
    }

    /// The superuser's URL, for what a test must do to the server.
    package func superuserURL(database: String = "postgres") -> String {
        "postgresql://postgres@127.0.0.1:\(port)/\(database)"
    }

    /// The server's log so far.
    package var log: String { (try? readTextFile("\(folder.path)/server.log")) ?? "" }

    /// The folder of the cluster; what is in it goes with the sandbox.
    package var path: String { folder.path }

    /// Whether the server runs.
    package var isRunning: Bool { server.withLock { $0?.exit == nil && $0 != nil } }

    /// Starts the server and waits until it takes connections; does nothing when it runs.
    ///
    /// - Throws: `Failure` (unavailable) with the end of the server's log.
    package func start() throws(Failure) {
        try start(mayMove: false)
    }

    /// Starts the server; `mayMove` says whether it may choose another port when this one is taken, instead of waiting for it.
    private func start(mayMove: Bool) throws(Failure) {
        let failure = server.withLock { server -> Failure? in
            if server?.exit == nil, server != nil { return nil }
            do throws(Failure) {
                server = try launch(mayMove: mayMove)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }

    /// Stops the server and waits for its end; does nothing when it does not run.
    package func stop(_ mode: StopMode = .fast) {
        server.withLock { server in
            server?.send(mode.signal)
            if let server, server.wait(timeout: .seconds(30)) == nil { server.kill() }
            server = nil
        }
    }

    /// Stops and starts the server.
    package func restart(_ mode: StopMode = .fast) throws(Failure) {
        stop(mode)
        try start()
    }

    /// Stops the server and deletes the cluster.
    package func destroy() {
        stop(.immediate)
        folder.delete()
    }

    /// A new database owned by `tweets`; returns its URL.
    ///
    /// - Throws: `Failure` with psql's message.
    package func createDatabase(_ name: String) throws(Failure) -> String {
        try query("CREATE DATABASE \"\(name)\" OWNER tweets", database: "postgres")
        return url(database: name)
    }

    /// Runs SQL with psql(1).
    ///
    /// - Parameters:
    ///   - sql: one or more statements.
    ///   - database: where to.
    ///   - role: nil for the superuser.
    ///   - isOverTCP: whether not to use the Unix socket.
    /// - Returns: the rows: a row a line, `|` between columns.
    /// - Throws: `Failure` (badData) with psql's message.
    @discardableResult
    package func query(
        _ sql: String, database: String = "tweets", role: String? = nil, isOverTCP: Bool = false
    ) throws(Failure) -> String {
        try psql(["-A", "-t"], sql, database: database, role: role, host: isOverTCP ? "127.0.0.1" : nil)
    }

    /// Runs one query with psql(1), as the role `tweets` in the database `tweets`.
    ///
    /// - Returns: the answer as a table for people.
    /// - Throws: `Failure` (badData) with psql's message.
    package func table(_ sql: String) throws(Failure) -> String {
        try psql(["-P", "footer=off"], sql, database: "tweets", role: "tweets")
    }

    private func psql(
        _ format: [String], _ sql: String, database: String, role: String?, host: String? = nil
    ) throws(Failure) -> String {
        let arguments = [
            "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", host ?? folder.path, "-p", String(port),
            "-U", role ?? "postgres", "-d", database, "-c", sql,
        ]
        let (exit, output) = try ChildProcess.run(
            installation.command("psql", format + arguments, folder: folder.path))
        guard exit == .status(0) else { throw Failure(.badData, "psql: \(exit): \(output)") }
        return String(output.hasSuffix("\n") ? output.dropLast() : output[...])
    }
}

extension PostgresSandbox {
    private var data: String { "\(folder.path)/data" }

    private func create() throws(Failure) {
        let arguments = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        let (exit, output) = try ChildProcess.run(installation.command("initdb", arguments, folder: folder.path))
        guard exit == .status(0) else { throw Failure(.unavailable, "initdb: \(exit): \(output)") }
        try start(mayMove: true)
        try query("CREATE ROLE tweets LOGIN", database: "postgres")
        _ = try createDatabase("tweets")
    }

    private func copy(_ primary: PostgresSandbox) throws(Failure) {
        let arguments = [
            "-D", data, "-h", primary.folder.path, "-p", String(primary.port), "-U", "postgres", "-R", "-X", "stream",
            "-c", "fast", "--no-sync",
        ]
        let (exit, output) = try ChildProcess.run(
            installation.command("pg_basebackup", arguments, folder: folder.path))
        guard exit == .status(0) else { throw Failure(.unavailable, "pg_basebackup: \(exit): \(output)") }
        try start(mayMove: true)
    }

    /// Starts the server, also when its port is taken for a while by a process that does not reserve ports.
    private func launch(mayMove: Bool) throws(Failure) -> ChildProcess {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let known = log.utf8.count
            do throws(Failure) { return try launch() } catch {
                let isTaken = String(decoding: log.utf8.dropFirst(known), as: UTF8.self)
                    .contains("Address already in use")
                guard isTaken, ContinuousClock.now < deadline else { throw error }
                if mayMove {
                    let other = try freePort()
                    chosenPort.withLock { $0 = other }
                } else {
                    usleep(100_000)
                }
            }
        }
    }

    private func launch() throws(Failure) -> ChildProcess {
        var arguments = ["-D", data, "-k", folder.path, "-p", String(port), "-c", "listen_addresses=127.0.0.1"]
        for (name, value) in settings { arguments += ["-c", "\(name)=\(value)"] }
        var command = installation.command("postgres", arguments, folder: folder.path)
        command.output = .file("\(folder.path)/server.log")
        command.deathSignal = .quit
        let server = try ChildProcess(command)
        let deadline = ContinuousClock.now + .seconds(60)
        while !isReady {
            guard server.exit == nil, ContinuousClock.now < deadline else {
                server.kill()
                throw Failure(.unavailable, "PostgreSQL did not start; its log ends:\n\(log.suffix(2000))")
            }
            usleep(5000)
        }
        return server
    }

    /// The postmaster's lock file says in its eighth line whether it takes connections (src/include/utils/pidfile.h).
    private var isReady: Bool {
        guard let text = try? readTextFile("\(data)/postmaster.pid") else { return false }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.count > 7 && lines[7].hasPrefix("ready")
    }
}
