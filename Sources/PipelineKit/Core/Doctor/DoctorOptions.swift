import ArgumentParser
import Glibc

/// The options of `doctor` of every service.
package struct DoctorOptions: ParsableArguments {
    /// Whether nothing is asked over the network.
    @Flag(help: "Without X, Kafka and PostgreSQL.")
    package var offline = false

    /// The file of the service's environment.
    @Option(
        help: ArgumentHelp(
            "Judge the settings in this file of systemd's form instead of the environment.", valueName: "file"),
        completion: .file())
    package var envFile: String?

    /// Required by the argument parser.
    public init() {}

    /// Takes the environment of the file over, in place of this process's, as a service of systemd gets it. Call it before any thread
    /// runs; libpq and libcurl read variables of their own.
    ///
    /// - Returns: what is odd about the file; nothing without one.
    /// - Throws: `SettingsError` when the file cannot be read.
    package func adoptEnvironment() throws(SettingsError) -> [DoctorFinding] {
        guard let envFile else { return [] }
        let file = try Self.read(envFile)
        for name in ProcessEnvironment.current.keys where !["HOME", "PATH", "USER"].contains(name) {
            unsafe unsetenv(name)
        }
        for (name, value) in file.values { unsafe setenv(name, value, 1) }
        guard !file.oddities.isEmpty else { return [.ok("environment", "\(file.values.count) settings in \(envFile)")] }
        return file.oddities.map {
            .fail("environment", $0, remedy: "comments on lines of their own; no `export`; quotation marks in pairs")
        }
    }

    private static func read(_ path: String) throws(SettingsError) -> EnvironmentFile {
        do throws(FileError) { return try EnvironmentFile(path) } catch {
            throw SettingsError("--env-file: \(error)")
        }
    }
}
