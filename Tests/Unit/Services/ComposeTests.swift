import ArgumentParser
import Core
import Foundation
import TestSupport
import Testing
import Yams

@testable import TweetLoader
@testable import TweetProducer

/// `kafka/docker-compose.yml` names settings, files, ports and services that exist: without Docker, nothing else looks.
@Suite(.timeLimit(.minutes(5))) struct ComposeTests {
    private struct File: Decodable {
        struct Service: Decodable {
            struct Build: Decodable {
                let context: String
                let target: String
            }
            struct Config: Decodable {
                let source: String
                let target: String
            }
            let image: String
            let build: Build?
            let profiles: [String]?
            let command: [String]?
            let environment: [String: String]?
            let volumes: [String]?
            let configs: [Config]?
            let ports: [String]?
            let network_mode: String?
        }
        struct Content: Decodable {
            let content: String
        }
        let services: [String: Service]
        let configs: [String: Content]
        let volumes: [String: String?]
    }

    private struct Scraping: Decodable {
        struct Job: Decodable {
            struct Authorization: Decodable {
                let credentials_file: String
            }
            struct Names: Decodable {
                let names: [String]
                let port: Int
            }
            let job_name: String
            let authorization: Authorization
            let dns_sd_configs: [Names]
        }
        let rule_files: [String]
        let scrape_configs: [Job]
    }

    private let folder = repository.appending(path: "kafka")

    private func text(_ path: String) throws -> String {
        try String(contentsOf: repository.appending(path: path), encoding: .utf8)
    }

    private func file() throws -> File {
        try YAMLDecoder().decode(File.self, from: try text("kafka/docker-compose.yml"))
    }

    /// The services that run programs of ours.
    private func programs(_ file: File) -> [(name: String, service: File.Service)] {
        file.services.filter { $0.value.build?.target == "services" }.map { ($0.key, $0.value) }
    }

    @Test("every setting is one of the program that gets it, and every command one that it has")
    func settings() throws {
        let known: [String: (settings: [Setting], commands: [any ParsableCommand.Type])] = [
            "tweet-producer": (ProducerSettings.known, TweetProducerCommand.configuration.subcommands),
            "tweet-loader": (LoaderSettings.known, TweetLoaderCommand.configuration.subcommands),
        ]
        let programs = programs(try file())
        #expect(Set(programs.map(\.name)) == ["loader", "migrate", "producer", "sandbox-producer"])
        for (name, service) in programs {
            let command = try #require(service.command)
            let program = try #require(known[command[0]], "\(name): \(command)")
            #expect(program.commands.contains { $0._commandName == command[1] }, "\(name): \(command)")
            for setting in (service.environment ?? [:]).keys {
                #expect(program.settings.contains { $0.environment == setting }, "\(name): \(setting)")
            }
        }
    }

    @Test("every file, volume and stage of the image exists")
    func files() throws {
        let file = try file()
        let stages = try text("Dockerfile").matches(of: /FROM \S+ AS (\w+)/).map { String($0.1) }
        for (name, service) in file.services {
            if let build = service.build {
                #expect(build.context == ".." && stages.contains(build.target), "\(name): \(build)")
            }
            for volume in service.volumes ?? [] {
                let source = String(volume.prefix { $0 != ":" })
                let exists =
                    source.hasPrefix(".")
                    ? FileManager.default.fileExists(atPath: folder.appending(path: source).path)
                    : file.volumes.keys.contains(source)
                #expect(exists, "\(name): \(volume)")
            }
            for config in service.configs ?? [] {
                let content = try #require(file.configs[config.source], "\(name): \(config.source)")
                let token = try #require(content.content.wholeMatch(of: /\$\{STATUS_TOKEN:-(.+)\}/))
                #expect(token.1.count >= 16, "the services reject a shorter one")
            }
            for port in service.ports ?? [] { #expect(port.hasPrefix("127.0.0.1:"), "\(name): \(port)") }
        }
    }

    @Test("the image gets its programs from the folder that they are built into")
    func image() throws {
        let build = try #require(try text("scripts/release.sh").firstMatch(of: /--scratch-path (\S+)/)).1
        let image = try text("Dockerfile")
        #expect(image.contains("RUN swift package --scratch-path \(build) resolve\n"))
        #expect(image.contains("RUN scripts/release.sh && mkdir /out && cd \(build)/release && cp tweet-producer"))
    }

    @Test("Prometheus scrapes the services where they listen, with the token that they ask for, and has the alerts")
    func prometheus() throws {
        let file = try file()
        let prometheus = try #require(file.services["prometheus"])
        #expect(prometheus.profiles == ["metrics"])
        let scraping = try YAMLDecoder().decode(Scraping.self, from: try text("deploy/prometheus/containers.yml"))
        for rules in scraping.rule_files {
            let mounted = "../deploy/prometheus/\(rules):/etc/prometheus/\(rules):ro"
            #expect(prometheus.volumes?.contains(mounted) == true, "\(rules)")
        }
        #expect(
            prometheus.volumes?.contains("../deploy/prometheus/containers.yml:/etc/prometheus/prometheus.yml:ro")
                == true)
        let runs = programs(file).filter { $0.service.command?.last == "run" }
        for (name, service) in runs {
            let host = service.network_mode?.replacing("service:", with: "") ?? name
            let job = try #require(scraping.scrape_configs.first { $0.job_name == service.command?[0] })
            let target = try #require(job.dns_sd_configs.first { $0.names.contains(host) }, "nobody scrapes \(name)")
            #expect(service.environment?["LISTEN"] == "0.0.0.0:\(target.port)")
            for (reader, path) in [
                (service, service.environment?["STATUS_TOKEN_FILE"]), (prometheus, job.authorization.credentials_file),
            ] {
                #expect(reader.configs?.contains { $0.target == path } == true, "\(name): \(path ?? "no token")")
            }
        }
        let hosts = Set(scraping.scrape_configs.flatMap(\.dns_sd_configs).flatMap(\.names))
        #expect(hosts.isSubset(of: file.services.keys), "\(hosts)")
        #expect(runs.count == 3 && hosts.count == 3)
    }
}
