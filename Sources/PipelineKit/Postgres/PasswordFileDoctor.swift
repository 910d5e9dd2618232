import Core
import Glibc

/// Finds password files that libpq ignores, and service files with a password that every user can read.
///
/// libpq reports no error for a password file that it ignores: the password seems to be missing (libpq, "The Password File").
package struct PasswordFileDoctor {
    private let conninfo: PostgresConninfo

    private static let name = "pgpass"

    /// - Parameter conninfo: of the service's connections.
    package init(_ conninfo: PostgresConninfo) {
        self.conninfo = conninfo
    }

    /// What was found, without a network.
    package var findings: [DoctorFinding] { [passwordFile] + [serviceFile].compactMap { $0 } }

    private var passwordFile: DoctorFinding {
        switch conninfo.passwordFile {
        case .unused: return .ok(Self.name, "not used: the password is set")
        case .named(let path): return Self.judge(path, isNamed: true)
        case .standard(let path):
            guard unsafe access(path, F_OK) == 0 else { return .ok(Self.name, "none is set, and there is no \(path)") }
            return Self.judge(path, isNamed: false)
        }
    }

    /// Judges a password file as libpq does (fe-connect.c, passwordFromFile).
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - isNamed: whether a setting names it; without one, the connection may not need it.
    /// - Returns: what was found.
    private static func judge(_ path: String, isNamed: Bool) -> DoctorFinding {
        func ignored(_ detail: String, _ remedy: String) -> DoctorFinding {
            isNamed
                ? .fail(name, detail, remedy: remedy, .operator(.credentials))
                : .warning(name, detail, remedy: remedy)
        }
        var found = stat()
        guard unsafe stat(path, &found) == 0 else {
            return ignored("\(FileError("read", path))", "create the file, with mode 0600")
        }
        guard found.st_mode & S_IFMT == S_IFREG else {
            return ignored("\(path) is no plain file: libpq ignores it", "name a plain file with mode 0600, or none")
        }
        let mode = found.st_mode & 0o777
        guard mode & 0o077 == 0 else {
            return ignored("\(path) has mode 0\(String(mode, radix: 8)): libpq ignores it", "chmod 600 \(path)")
        }
        guard unsafe access(path, R_OK) == 0 else {
            return ignored(
                "\(path) cannot be read by uid \(geteuid()): libpq ignores it", "chown it to the user of the service")
        }
        return .ok(name, "\(path) is readable for its owner only")
    }

    /// libpq reads a service file whatever its mode is; that it exists and has the service is checked with the settings.
    private var serviceFile: DoctorFinding? {
        guard conninfo.hasService else { return nil }
        let environment = ProcessEnvironment.current
        let path = environment["PGSERVICEFILE"] ?? "\(PostgresConninfo.home)/.pg_service.conf"
        guard let text = try? readTextFile(path) else { return nil }
        let hasPassword = text.split(separator: "\n").contains { $0.trimmed.hasPrefix("password=") }
        return hasPassword ? .secretFile("service", path) : .ok("service", "\(path) has no password")
    }
}
