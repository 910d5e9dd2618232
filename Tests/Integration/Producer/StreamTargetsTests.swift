import Core
import Foundation
import Harness
import Sandbox
import TestSupport
import Testing

/// Debian's Prometheus reads the list of targets that `streams apply` writes, by the configuration of docs/streams.md.
@Suite(.timeLimit(.minutes(5))) struct StreamTargetsTests {
    private let host: StreamsHost

    init() throws {
        host = try StreamsHost()
    }

    /// The block of the document, for this host's list and with shorter intervals.
    private func configure() throws {
        let text = try readTextFile(repository.path + "/docs/streams.md")
        let begin = try #require(text.range(of: "```yaml\nscrape_configs:\n"))
        let end = try #require(text.range(of: "```", range: begin.upperBound..<text.endIndex))
        let block = "scrape_configs:\n" + text[begin.upperBound..<end.lowerBound]
        #expect(block.contains("/etc/tweet-pipeline/streams/"))
        try host.folder.write(
            "global: { scrape_interval: 1s }\n"
                + block.replacing("/etc/tweet-pipeline/streams/", with: host.folder.path + "/streams/"),
            to: "prometheus.yml")
    }

    private func streams(_ words: String..., from port: Int) async throws {
        let result = try await blocking { [host] in
            try host.streams(words, settings: ["STREAMS_PORT": "\(port)"])
        }
        #expect(result.status == 0, "\(result)")
    }

    @Test(.enabled(if: PrometheusServer.isInstalled, "Prometheus is Debian's package prometheus"))
    func aStreamThatIsAddedAppearsAsATarget() async throws {
        try await blocking { [host] in try host.startSupervisord() }
        try host.declare(
            StreamsHost.stream("one", token: "a"),
            defaults: StreamsHost.unreachable.replacing(", listen: 'off'", with: ""))
        try configure()
        let port = try freePort()
        try await streams("apply", "--yes", from: port)
        let prometheus = try PrometheusServer(host.folder)
        defer { prometheus.kill() }
        try await expect(["one up"], prometheus)
        try await streams("add", "two", "--token-file", "tokens/b", from: port)
        try await expect(["one up", "two up"], prometheus)
        let scraped = try await prometheus.query("up{job=\"tweet-streams\", stream=\"two\"} == 1")
        #expect(scraped?.data?.result.isEmpty == false)
        try await streams("remove", "one", from: port)
        try await expect(["two up"], prometheus)
    }

    private func expect(
        _ wanted: [String], _ prometheus: PrometheusServer, at location: SourceLocation = #_sourceLocation
    ) async throws {
        var found: [String] = []
        let isShown = try await holds(within: .seconds(60)) {
            found = try await prometheus.targets().map { "\($0.labels["stream"] ?? "") \($0.health)" }.sorted()
            return found == wanted
        }
        #expect(isShown, "\(found) \(host.supervisordLog.suffix(2000))", sourceLocation: location)
    }
}
