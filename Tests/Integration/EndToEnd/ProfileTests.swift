import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing
import Yams

/// Each set of files below `deploy/` runs the pipeline: the services start from exactly these files, and tweets arrive.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ProfileTests {
    /// X, Kafka and a PostgreSQL with TLS, whose addresses are filled in.
    fileprivate struct Site {
        let folder: TemporaryFolder
        let x: XSimulator
        let mock: KafkaSandboxProcess
        var kafka: String { mock.bootstrapServers }
        let postgres: PostgresSandbox
        let authority: CertificateAuthority
        let ports: (producer: Int, loader: Int)

        init(_ x: XSimulator) throws {
            (self.x, folder, authority) = (x, try TemporaryFolder(), try CertificateAuthority())
            mock = try KafkaSandboxProcess()
            postgres = try PostgresSandbox()
            ports = (try freePort(), try freePort())
            try postgres.serveTLS(authority.files(.valid))
            for (file, text) in [
                ("x-token", x.bearerToken + "\n"), ("kafka.properties", "session.timeout.ms=4000\n"),
                ("status-token", "status-token-of-a-test\n"),
                ("pgpass", "localhost:\(postgres.port):tweets:tweets:p\n"),
            ] {
                try folder.write(text, to: file)
                _ = unsafe chmod(folder.path + "/" + file, 0o600)
            }
            try FileManager.default.copyItem(atPath: authority.caFile, toPath: folder.path + "/rds.pem")
        }

        /// A shipped text with this site's addresses and folders in the place of those that its comments call examples.
        func filled(_ text: String) -> String {
            [
                ("db.abc123.eu-central-1.rds.amazonaws.com:5432", "localhost:\(postgres.port)"),
                ("@postgresql:5432/", "@localhost:\(postgres.port)/"),
                ("b-1.tweets.abc123.c2.kafka.eu-central-1.amazonaws.com:9096", kafka), ("kafka:9092", kafka),
                ("/etc/tweet-pipeline", folder.path), ("/run/secrets/tweet-pipeline", folder.path),
                ("/var/lib/tweet-pipeline", folder.path), ("/var/log/tweet-pipeline", folder.path),
                ("/etc/ssl/rds.pem", folder.path + "/rds.pem"), ("0.0.0.0:9464", "127.0.0.1:\(ports.producer)"),
                ("0.0.0.0:9465", "127.0.0.1:\(ports.loader)"),
            ].reduce(text) { $0.replacing($1.0, with: $1.1) }
        }

        /// A file of `deploy/` as an operator would have it.
        func file(_ name: String) throws -> String { filled(try readTextFile(repository.path + "/deploy/" + name)) }

        /// What is true of a test alone: X is a simulator, and several services run beside it.
        func own(_ service: LocalPipeline.Service) -> [String: String] {
            let port = service == .producer ? ports.producer : ports.loader
            return service == .producer
                ? ["X_URL": x.url, "X_LOCK_DIR": folder.path, "LISTEN": "127.0.0.1:\(port)"]
                : ["LISTEN": "127.0.0.1:\(port)"]
        }
    }

    /// Runs `body` with a site whose database has the tables, and a started X.
    private func withSite(_ body: @escaping @Sendable (Site) throws -> Void) async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 50
        configuration.keepAlive = .milliseconds(300)
        let x = XSimulator(configuration)
        try await x.start()
        x.addRules([("pipeline", "main")])
        do {
            try await blocking {
                let site = try Site(x)
                defer { site.mock.stop() }
                try site.migrate()
                try body(site)
            }
        } catch {
            await x.stop()
            throw error
        }
        await x.stop()
    }

    /// Both services with these settings, until tweets arrive; then they end as a supervisor ends them.
    private func expectTweets(
        _ site: Site, _ settings: [LocalPipeline.Service: [String: String]],
        at location: SourceLocation = #_sourceLocation
    ) throws {
        let services = try [LocalPipeline.Service.loader, .producer].map { service in
            var command = try ChildCommand(
                service: service, ["run"],
                settings: try #require(settings[service]).merging(site.own(service)) { given, _ in given })
            command.output = .file(site.folder.path + "/\(service.rawValue).log")
            return try ChildProcess(command)
        }
        defer { for service in services { service.kill() } }
        try site.expectMoreTweets(at: location)
        for service in services.reversed() {
            #expect(service.terminate(grace: .seconds(60)) == .status(0), sourceLocation: location)
        }
    }

    @Test("systemd: the units with their settings files")
    func systemd() async throws {
        try await withSite { site in
            var settings: [LocalPipeline.Service: [String: String]] = [:]
            for (service, name) in [(LocalPipeline.Service.producer, "producer"), (.loader, "loader")] {
                let unit = try site.file("systemd/tweet-\(name).service")
                #expect(unit.contains("\nExecStart=/usr/local/bin/tweet-\(name) run\n"))
                #expect(unit.contains("\nEnvironmentFile=\(site.folder.path)/\(name).env\n"))
                // Environment= of the unit; the file wins (systemd.exec(5)).
                for line in unit.split(separator: "\n") where line.hasPrefix("Environment=") {
                    let pair = line.dropFirst("Environment=".count).split(separator: "=", maxSplits: 1)
                    settings[service, default: [:]][String(pair[0])] = String(pair[1])
                }
                try site.folder.write(try site.file("\(name).env"), to: "\(name).env")
                let file = try EnvironmentFile(site.folder.path + "/\(name).env")
                #expect(file.oddities.isEmpty)
                settings[service, default: [:]].merge(file.values) { $1 }
            }
            try expectTweets(site, settings)
        }
    }

    private struct Workload: Decodable {
        struct Spec: Decodable { let template: Template }
        struct Template: Decodable { let spec: PodSpec }
        struct PodSpec: Decodable { let containers: [Container] }
        struct Container: Decodable {
            struct Variable: Decodable {
                let name: String
                /// Nil for one whose value is a secret of the cluster.
                let value: String?
            }
            let args: [String]
            let env: [Variable]
        }
        let spec: Spec
    }

    @Test("kubernetes: the containers of the manifests")
    func kubernetes() async throws {
        try await withSite { site in
            var settings: [LocalPipeline.Service: [String: String]] = [:]
            for service in [LocalPipeline.Service.producer, .loader] {
                let text = try site.file("kubernetes/\(service.rawValue).yaml")
                let container = try #require(
                    YAMLDecoder().decode(Workload.self, from: text).spec.template.spec.containers.first)
                #expect(container.args == [service.rawValue, "run"])
                // A password, for which the cluster of this test does not ask.
                settings[service] = Dictionary(
                    uniqueKeysWithValues: container.env.map { ($0.name, $0.value ?? "password") })
            }
            try expectTweets(site, settings)
        }
    }

    @Test("supervisord: Debian's, with the shipped configuration")
    func supervisord() async throws {
        try await withSite { site in
            let folder = site.folder.path
            var programs = try site.file("supervisor/tweet-pipeline.conf")
            for service in [LocalPipeline.Service.producer, .loader] {
                programs = programs.replacing(
                    "/usr/local/bin/\(service.rawValue)", with: try siblingExecutable(service.rawValue))
                let name = service.rawValue.dropFirst("tweet-".count)
                let own = site.own(service).map { "\($0.key)=\($0.value)\n" }.joined()
                try site.folder.write(try site.file("\(name).env") + own, to: "\(name).env")
            }
            // Shorter, and as this user.
            programs = programs.replacing("sleep 5", with: "sleep 0.1").replacing("user=tweet-pipeline\n", with: "")
            let head = """
                [supervisord]
                nodaemon=true
                logfile=\(folder)/supervisord.log
                pidfile=\(folder)/supervisord.pid
                childlogdir=\(folder)

                """
            try site.folder.write(head + programs, to: "supervisord.conf")
            let supervisord = try ChildProcess(
                ChildCommand("/usr/bin/supervisord", ["-c", folder + "/supervisord.conf"]))
            defer { supervisord.terminate(grace: .seconds(60)) }
            try site.expectMoreTweets()
        }
    }

    /// Notes the settings of each container, as docker reads them, in a file of its own.
    private static let docker = """
        #!/bin/sh
        while [ $# -gt 0 ]; do
            case $1 in
                --env-file) file=$2; shift ;;
                tweet-producer | tweet-loader)
                    [ "$2" = run ] && { grep -v '^#' "$file" | grep . >"FOLDER/$1.container"; exit; } ;;
                --name | --hostname | --restart | --stop-timeout | --volume) shift ;;
            esac
            shift
        done
        exit 1
        """

    @Test("containers: the script, with a stand-in for docker that reads settings files as docker does")
    func containers() async throws {
        try await withSite { site in
            let folder = site.folder.path
            for name in ["producer", "loader"] {
                try site.folder.write(try site.file("\(name).env"), to: "\(name).env")
            }
            try site.folder.write(Self.docker.replacing("FOLDER", with: folder), to: "docker")
            _ = unsafe chmod(folder + "/docker", 0o755)
            try site.folder.write(try site.file("container/run.sh"), to: "run.sh")
            let (exit, output) = try ChildProcess.run(
                ChildCommand("/usr/bin/env", ["PATH=\(folder):/usr/bin:/bin", "/bin/sh", folder + "/run.sh"]))
            try #require(exit == .status(0), "\(output)")
            var settings: [LocalPipeline.Service: [String: String]] = [:]
            for service in [LocalPipeline.Service.producer, .loader] {
                for line in try readTextFile("\(folder)/\(service.rawValue).container").split(separator: "\n") {
                    let pair = line.split(separator: "=", maxSplits: 1)
                    settings[service, default: [:]][String(pair[0])] = String(pair[1])
                }
            }
            try expectTweets(site, settings)
        }
    }
}

extension ProfileTests.Site {
    /// What the comments of the units name as the first step.
    fileprivate func migrate() throws {
        let settings = ["DATABASE_URL": postgres.url()]
        let (exit, output) = try ChildProcess.run(ChildCommand(service: .loader, ["migrate"], settings: settings))
        try #require(exit == .status(0), "\(output)")
    }

    /// Waits until the loader has stored tweets, all over TLS.
    fileprivate func expectMoreTweets(at location: SourceLocation = #_sourceLocation) throws {
        let isStored = eventually(within: .seconds(120)) {
            (try? postgres.query("SELECT count(*) > 20 FROM tweets")) == "t"
        }
        let logs = ["tweet-producer", "tweet-loader", "producer", "loader", "supervisord"].map { name in
            (try? readTextFile("\(folder.path)/\(name).log"))?.suffix(1500) ?? ""
        }
        #expect(isStored, "\(logs.joined(separator: "\n"))", sourceLocation: location)
        let encrypted = try postgres.query(
            "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'tweets'")
        #expect(encrypted == "t", sourceLocation: location)
    }
}
