import Core
import FoundationEssentials
import Glibc

/// The PostgreSQL server programs of this machine.
struct PostgresInstallation: Sendable {
    /// The folder with `postgres`, `initdb` and `psql`.
    let binaries: String
    /// The user that the server runs as: PostgreSQL refuses root.
    let user: String?

    /// Finds the newest installed server: Debian's folders first, then what `PATH` has.
    ///
    /// - Throws: `Failure` (unavailable) that says how to install it.
    static func find() throws(Failure) -> PostgresInstallation {
        guard let binaries = candidates().first(where: { unsafe access("\($0)/initdb", X_OK) == 0 }) else {
            throw Failure(
                .unavailable,
                """
                no PostgreSQL server programs found in /usr/lib/postgresql/*/bin or PATH
                install them: sudo apt-get install postgresql (the sandbox uses clusters of its own, never a running one)
                """)
        }
        guard getuid() == 0 else { return PostgresInstallation(binaries: binaries, user: nil) }
        guard unsafe getpwnam("postgres") != nil else {
            throw Failure(.unavailable, "running as root needs the user postgres: sudo useradd --system postgres")
        }
        return PostgresInstallation(binaries: binaries, user: "postgres")
    }

    private static func candidates() -> [String] {
        let debian = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? []).compactMap { Int($0) }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        return versions.sorted(by: >).map { "\(debian)/\($0)/bin" } + path.split(separator: ":").map(String.init)
    }

    /// A command of the installation, run as the server's user.
    func command(_ program: String, _ arguments: [String], folder: String) -> ChildCommand {
        var command = ChildCommand("\(binaries)/\(program)", arguments)
        command.user = user
        command.folder = folder
        for (name, _) in ProcessInfo.processInfo.environment where name.hasPrefix("PG") {
            // A developer's own PGHOST or PGPORT must not lead to another server.
            command.environment.updateValue(nil, forKey: name)
        }
        return command
    }
}
