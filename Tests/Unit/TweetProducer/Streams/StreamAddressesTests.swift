import Core
import TestSupport
import Testing

@testable import TweetProducer

/// Which address each stream has for HTTP requests, and the list of them for Prometheus.
@Suite(.timeLimit(.minutes(5))) struct StreamAddressesTests {
    private func derived(
        _ named: [String: String?], _ current: [String: String] = [:], busy: Set<Int> = []
    ) -> [String: String] {
        StreamAddresses(named, current: current, from: 9470) { !busy.contains($0) }.derived
    }

    @Test func eachHasAPortOfItsOwnAndKeepsIt() {
        #expect(derived(["b": nil, "c": nil]) == ["b": "127.0.0.1:9470", "c": "127.0.0.1:9471"])
        // One that comes first in the file or the alphabet changes nothing for the others.
        let current = ["b": "127.0.0.1:9470", "c": "127.0.0.1:9471"]
        #expect(
            derived(["a": nil, "b": nil, "c": nil], current)
                == ["a": "127.0.0.1:9472", "b": "127.0.0.1:9470", "c": "127.0.0.1:9471"])
        #expect(derived(["c": nil], current) == ["c": "127.0.0.1:9471"])
        #expect(derived(["c": nil, "d": nil], current) == ["c": "127.0.0.1:9471", "d": "127.0.0.1:9470"])
    }

    @Test func portsOfOthersAreLeftAlone() {
        #expect(derived(["a": nil, "b": "0.0.0.0:9470", "c": "off"]) == ["a": "127.0.0.1:9471"])
        #expect(derived(["a": nil], busy: [9470, 9471]) == ["a": "127.0.0.1:9472"])
        // A port of its own that is busy is busy with itself.
        #expect(derived(["a": nil], ["a": "127.0.0.1:9470"], busy: [9470]) == ["a": "127.0.0.1:9470"])
        // One that another stream names now, one that two have, and one that a user has named before.
        #expect(derived(["a": nil, "b": "127.0.0.1:9470"], ["a": "127.0.0.1:9470"])["a"] == "127.0.0.1:9471")
        #expect(
            derived(["a": nil, "b": nil], ["a": "127.0.0.1:9480", "b": "127.0.0.1:9480"])
                == ["a": "127.0.0.1:9480", "b": "127.0.0.1:9470"])
        #expect(derived(["a": nil], ["a": "0.0.0.0:9000"]) == ["a": "127.0.0.1:9470"])
    }

    private func settings(_ name: String, listen: String) -> StreamSettingsFile {
        let stream = StreamsFile(path: "/s.yaml", text: "streams: [{ name: \(name) }]").streams[0]
        return StreamSettingsFile(stream, from: "/s.yaml", listen: listen)
    }

    @Test func prometheusHasAListOfThem() throws {
        let folder = try TemporaryFolder()
        let (targets, path) = (
            PrometheusTargets(folder: folder.path), folder.path + "/" + PrometheusTargets.fileName
        )
        try targets.write([
            settings("b", listen: "0.0.0.0:9471"), settings("a", listen: "127.0.0.1:9470"),
            settings("c", listen: "off"),
            settings("d", listen: "[::]:9472"),
        ])
        #expect(
            try readTextFile(path) == """
                [
                  {"targets": ["127.0.0.1:9470"], "labels": {"stream": "a"}},
                  {"targets": ["127.0.0.1:9471"], "labels": {"stream": "b"}},
                  {"targets": ["[::1]:9472"], "labels": {"stream": "d"}}
                ]

                """)
        try targets.write([settings("a", listen: "off")])
        #expect(try FilePath.status(path) == nil)
    }

    @Test func twoStreamsWithOneAddressAreAnError() throws {
        let folder = try TemporaryFolder()
        for token in ["a", "b"] { try folder.write("token-\(token)\n", to: token) }
        func errors(_ listen: String) -> String {
            let text = """
                defaults: { kafka_bootstrap_servers: 'k:9092', listen: '\(listen)' }
                streams:
                  - { name: one, token_file: a }
                  - { name: two, token_file: b }
                """
            do throws(StreamsError) {
                try StreamsFile(path: folder.path + "/streams.yaml", text: text).requireGood()
            } catch { return error.description }
            return ""
        }
        #expect(errors("127.0.0.1:9470").contains("have the same listen: remove it"))
        #expect(errors("off") == "")
    }
}
