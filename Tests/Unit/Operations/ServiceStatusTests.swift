import Core
import Testing

@testable import Operations

/// What `/status` answers, and what a command reads of it.
@Suite(.timeLimit(.minutes(5))) struct ServiceStatusTests {
    private let registry = MetricsRegistry(prefix: "p")

    init() {
        registry.counter("lines", "Lines.").add(3)
        registry.gauges("lag", "Lag.", by: ["topic", "partition"]).set([(["a_B", "0"], 7), (["a_B", "1"], 0)])
        registry.gauge("odd", "Odd.").set(Double.nan)
        let delays = Histogram(bounds: [0.5, 1])
        delays.observe(0.7)
        registry.histogram("delay_seconds", "Delay.", unit: .seconds, delays)
    }

    private func answer() -> String {
        OperationsEndpoints(service: "tweet-x", registry: registry, health: ServiceHealth(startsWith: ["journal"]))
            .answer(.init(path: "/status", host: "localhost"), isLoopback: true, token: nil).body
    }

    @Test("the values of the metrics are those of /metrics, and are read back")
    func readings() throws {
        let status = try #require(ServiceStatus(json: answer()))
        #expect(status.service == "tweet-x" && status.waiting == ["journal"] && !status.isReady)
        #expect(try Timestamp(#require(status.at)) != nil)
        #expect(status.value("p_lines_total") == 3 && status.value("p_nothing") == nil)
        #expect(
            status.series("p_lag")
                == [
                    MetricReading(name: "p_lag", labels: ["topic": "a_B", "partition": "0"], value: 7),
                    MetricReading(name: "p_lag", labels: ["topic": "a_B", "partition": "1"], value: 0),
                ])
        #expect(status.series("p_odd").map(\.value) == [nil], "JSON has no NaN, and the rest is still there")
        let delay = try #require(status.series("p_delay_seconds").first)
        #expect(delay.value == nil && delay.sum == 0.7)
        #expect(delay.buckets?.map(\.bound) == [0.5, 1, nil] && delay.buckets?.map(\.count) == [0, 1, 1])
    }

    @Test("the answer of an older service has no metrics")
    func older() throws {
        let old = try #require(answer().split(separator: "\n").first)
        #expect(old == "{")
        let status = try #require(
            ServiceStatus(
                json: """
                    {"checks":[],"is_alive":true,"is_ready":true,"loops":[{"name":"reader"}],"product_version":"0.1",
                    "service":"tweet-x","silent":[],"status":"ok","version":1,"waiting":[]}
                    """))
        #expect(status.metrics.isEmpty && status.at == nil && status.loops.map(\.name) == ["reader"])
        for other in ["", "{}", "[]", #"{"status":"ok"}"#, "<html>"] { #expect(ServiceStatus(json: other) == nil) }
    }

    @Test("an address is http, a host and perhaps a port")
    func addresses() throws {
        let found = try #require(ListenSettings(url: "http://127.0.0.1:9464", tokenFile: "/t"))
        #expect(found == ListenSettings(host: "127.0.0.1", port: 9464, tokenFile: "/t"))
        #expect(ListenSettings(url: "HTTP://[::1]:80/", tokenFile: nil) == ListenSettings(host: "::1", port: 80))
        #expect(ListenSettings(url: "http://producer.example", tokenFile: nil)?.port == 80)
        for wrong in [
            "127.0.0.1:9464", "https://127.0.0.1:9464", "http://", "http://a:0", "http://a:1/status", "http://a b",
        ] {
            #expect(ListenSettings(url: wrong, tokenFile: nil) == nil, "\(wrong)")
        }
    }
}
