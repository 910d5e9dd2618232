import Core
import Glibc
import KafkaClient
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// What `tweet-loader doctor` finds in the files of libpq.
@Suite("Loader: doctor finds in password files", .ownThreads, .timeLimit(.minutes(4)))
struct PasswordFileDoctorTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Writes a file with a mode; returns its path.
    private func file(_ name: String, _ text: String = "h:1:d:u:p\n", mode: mode_t) throws -> String {
        try folder.write(text, to: name)
        _ = unsafe chmod("\(folder.path)/\(name)", mode)
        return "\(folder.path)/\(name)"
    }

    private func findings(passfile: String) throws -> [DoctorFinding] {
        try PasswordFileDoctor(PostgresConninfo("host=h dbname=d user=u passfile=\(passfile)")).findings
    }

    @Test("a password file that libpq ignores")
    func modes() throws {
        for mode in [0o640, 0o604, 0o660, 0o610] as [mode_t] {
            let path = try file("pgpass", mode: mode)
            let found = try findings(passfile: path)
            #expect(found.map(\.status) == [.fail] && found[0].remedy == "chmod 600 \(path)", "\(found)")
            #expect(found[0].detail == "\(path) has mode 0\(String(mode, radix: 8)): libpq ignores it")
        }
        let good = try file("pgpass", mode: 0o600)
        #expect(try findings(passfile: good) == [.ok("pgpass", "\(good) is readable for its owner only")])
        let missing = try findings(passfile: folder.path + "/none")
        #expect(missing.map(\.status) == [.fail] && missing[0].detail.contains("/none: No such file"), "\(missing)")
        let noFile = try findings(passfile: folder.path)
        #expect(noFile.map(\.status) == [.fail] && noFile[0].detail.contains("is no plain file"), "\(noFile)")
    }

    /// Runs it with this environment, in which nothing of libpq's is inherited.
    private func doctor(
        _ more: [String: String], under: [String] = []
    ) throws -> (exit: ChildProcess.Exit, output: String) {
        let words = under + [try siblingExecutable("tweet-loader"), "doctor", "--offline"]
        var command = ChildCommand(words[0], Array(words.dropFirst()))
        command.environment = [
            "HOME": folder.path, "PGPASSFILE": nil, "PGSERVICE": nil, "PGSERVICEFILE": nil, "PGPASSWORD": nil,
            "DATABASE_URL": "host=h dbname=d user=u", "KAFKA_BOOTSTRAP_SERVERS": "k:9092",
        ]
        for (name, value) in more { command.environment[name] = value }
        let ended = try ChildProcess.run(command)
        // libpq complains on standard error about a file that it ignores.
        #expect(!ended.output.contains("WARNING"), "\(ended.output)")
        return ended
    }

    private func expect(_ more: [String: String], _ status: Int32, _ text: String) throws {
        let ended = try doctor(more)
        #expect(ended.exit == .status(status) && ended.output.contains(text), "\(text): \(ended)")
    }

    @Test("the file is the one that libpq uses: of the connection string, a service, PGPASSFILE, or ~/.pgpass")
    func order() throws {
        try expect([:], 0, "none is set, and there is no \(folder.path)/.pgpass")
        // Nothing says that it is needed.
        _ = try file(".pgpass", mode: 0o644)
        try expect([:], 0, "warn    pgpass")
        try expect([:], 0, "chmod 600 \(folder.path)/.pgpass")
        let good = try file("good", mode: 0o600)
        try expect(["PGPASSFILE": good], 0, "\(good) is readable for its owner only")
        let bad = try file("bad", mode: 0o640)
        try expect(["PGPASSFILE": bad], 77, "\(bad) has mode 0640")
        let service = try file("service", "[s]\nhost=h\npassfile=\(bad)\n", mode: 0o644)
        let named = ["PGPASSFILE": good, "PGSERVICE": "s", "PGSERVICEFILE": service]
        try expect(named, 77, "\(bad) has mode 0640")
        try expect(named, 77, "\(service) has no password")
        let url = ["DATABASE_URL": "host=h dbname=d user=u passfile=\(good)"]
        try expect(named.merging(url) { $1 }, 0, "\(good) is readable for its owner only")
        try expect(["PGPASSFILE": bad, "PGPASSWORD": "p"], 0, "not used: the password is set")
    }

    @Test("a file of a different user")
    func owner() throws {
        let path = try file("pgpass", mode: 0)
        // Root reads every file by this capability (capabilities(7)).
        let under = ["/usr/bin/setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]
        let ended = try doctor(["PGPASSFILE": path], under: geteuid() == 0 ? under : [])
        let text = "\(path) cannot be read by uid \(geteuid()): libpq ignores it"
        #expect(ended.exit == .status(77) && ended.output.contains(text), "\(ended)")
    }

    @Test("a service file with a password that every user can read, and one that does not exist")
    func service() throws {
        let path = try file("service", "[s]\nhost=h\npassword=p\n", mode: 0o644)
        let settings = ["PGSERVICE": "s", "PGSERVICEFILE": path]
        try expect(settings, 0, "warn    service")
        try expect(settings, 0, "\(path) has mode 0644: every user can read it")
        _ = unsafe chmod(path, 0o600)
        try expect(settings, 0, "ok      service")
        try expect(["PGSERVICE": "s", "PGSERVICEFILE": folder.path + "/none"], 78, "/none\" not found")
        // Of the user, without PGSERVICEFILE.
        _ = try file(".pg_service.conf", "[s]\nhost=h\npassword=p\n", mode: 0o644)
        try expect(["PGSERVICE": "s"], 0, "\(folder.path)/.pg_service.conf has mode 0644")
    }

    /// With a server that wants a password, so that what libpq does with the file is seen beside what `doctor` finds.
    @Test("a server that wants the password of a file that libpq ignores")
    func ignored() throws {
        let server = try PostgresSandbox()
        defer { server.destroy() }
        try server.query("ALTER ROLE tweets PASSWORD 'secret of the test'", database: "postgres")
        let hba = server.path + "/data/pg_hba.conf"
        let rules = "local all all trust\nhost all tweets 127.0.0.1/32 scram-sha-256\n"
        let descriptor = unsafe open(hba, O_WRONLY | O_TRUNC)
        #expect(unsafe write(descriptor, rules, rules.utf8.count) == rules.utf8.count)
        close(descriptor)
        try server.restart()
        let path = try file("pgpass", "*:*:*:tweets:secret of the test\n", mode: 0o640)
        let settings = LoaderSettings(
            conninfo: try PostgresConninfo("\(server.url())?passfile=\(path)"),
            kafka: KafkaConfiguration(bootstrapServers: "127.0.0.1:1"), topic: "tweets")
        let doctor = LoaderDoctor(settings: settings)
        let missing = doctor.postgres()
        #expect(missing.map(\.status) == [.fail] && missing[0].detail.contains("no password supplied"), "\(missing)")
        let first = try #require(doctor.local.first)
        #expect(first.name == "pgpass" && first.status == .fail && first.remedy == "chmod 600 \(path)", "\(first)")
        _ = unsafe chmod(path, 0o600)
        #expect(doctor.postgres().first?.status == .ok && doctor.local.first?.status == .ok)
    }
}
