import Testing

@testable import Core

/// What a scraper gets, byte by byte, and what is counted.
@Suite(.timeLimit(.minutes(5))) struct MetricsTests {
    private enum Colour: String, MetricLabel { case red, blue }
    private enum Size: String, MetricLabel { case small, large }

    private let registry = MetricsRegistry(prefix: "p")

    private func lines(_ format: MetricsFormat = .prometheus) -> [String] {
        registry.text(format).split(separator: "\n").map(String.init)
    }

    private func countReads() {
        let bytes = registry.counter("read_bytes", "Bytes.", unit: .bytes)
        registry.info("build", "Version.", [("version", "1.0")])
        registry.histogram("wait_seconds", "Wait.", unit: .seconds, Histogram(bounds: [0.5, 1, 100])).observe(
            1, count: 2)
        bytes.add(7)
    }

    @Test func theFormatOfPrometheus() {
        countReads()
        #expect(
            registry.text(.prometheus) == """
                # TYPE p_read_bytes_total counter
                # HELP p_read_bytes_total Bytes.
                p_read_bytes_total 7
                # TYPE p_build_info gauge
                # HELP p_build_info Version.
                p_build_info{version="1.0"} 1
                # TYPE p_wait_seconds histogram
                # HELP p_wait_seconds Wait.
                p_wait_seconds_bucket{le="0.5"} 0
                p_wait_seconds_bucket{le="1"} 2
                p_wait_seconds_bucket{le="100"} 2
                p_wait_seconds_bucket{le="+Inf"} 2
                p_wait_seconds_sum 2
                p_wait_seconds_count 2

                """)
    }

    @Test func openMetrics() {
        countReads()
        #expect(
            registry.text(.openMetrics) == """
                # TYPE p_read_bytes counter
                # UNIT p_read_bytes bytes
                # HELP p_read_bytes Bytes.
                p_read_bytes_total 7
                # TYPE p_build info
                # HELP p_build Version.
                p_build_info{version="1.0"} 1
                # TYPE p_wait_seconds histogram
                # UNIT p_wait_seconds seconds
                # HELP p_wait_seconds Wait.
                p_wait_seconds_bucket{le="0.5"} 0
                p_wait_seconds_bucket{le="1.0"} 2
                p_wait_seconds_bucket{le="100.0"} 2
                p_wait_seconds_bucket{le="+Inf"} 2
                p_wait_seconds_sum 2
                p_wait_seconds_count 2
                # EOF

                """)
    }

    @Test func theFormatIsThatOfTheAcceptHeader() {
        #expect(MetricsFormat(accept: nil) == .prometheus)
        #expect(MetricsFormat(accept: "text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == .prometheus)
        #expect(MetricsFormat(accept: "Application/OpenMetrics-Text;version=1.0.0,text/plain;q=0.3") == .openMetrics)
        #expect(MetricsFormat.prometheus.contentType.hasPrefix("text/plain; version=0.0.4"))
        #expect(MetricsFormat.openMetrics.contentType.hasPrefix("application/openmetrics-text; version=1.0.0"))
    }

    @Test(
        "a label is escaped by byte: with a combining character behind it, a quotation mark is no Character of its own")
    func escapes() {
        let gauges = registry.gauges("g", "With \"quotes\", \\ and\na line.", by: ["tag"])
        gauges.set([(["a\"\u{301}b\\c\nd\u{2028}é"], 1)])
        #expect(lines()[1] == #"# HELP p_g With "quotes", \\ and\na line."#)
        #expect(lines(.openMetrics)[1] == #"# HELP p_g With \"quotes\", \\ and\na line."#)
        let sample = registry.text(.prometheus).utf8.split(separator: 10).last.map(Array.init)
        #expect(sample == Array("p_g{tag=\"a\\\"\u{301}b\\\\c\\nd\u{2028}é\"} 1".utf8))
    }

    @Test func everySeriesIsThereFromTheStart() {
        registry.counters("c", "C.", by: "colour", LabelledCounters<Colour>())
        _ = registry.gauges("g", "G.", by: "colour", Colour.self)
        _ = registry.counters("two", "Two.", by: ("colour", "size"), PairedCounters<Colour, Size>())
        registry.counters("tags", "Tags.", by: "tag", TagCounters(limit: 2))
        _ = registry.gauge("one", "One.")
        let samples = lines().filter { !$0.hasPrefix("#") }
        #expect(
            samples == [
                #"p_c_total{colour="red"} 0"#, #"p_c_total{colour="blue"} 0"#, #"p_g{colour="red"} 0"#,
                #"p_g{colour="blue"} 0"#, #"p_two_total{colour="red",size="small"} 0"#,
                #"p_two_total{colour="red",size="large"} 0"#, #"p_two_total{colour="blue",size="small"} 0"#,
                #"p_two_total{colour="blue",size="large"} 0"#, #"p_tags_total{tag="_untagged"} 0"#,
                #"p_tags_total{tag="_other"} 0"#, "p_one 0",
            ])
    }

    @Test func tagsAreBounded() {
        let tags = TagCounters(limit: 2)
        registry.counters("tags", "Tags.", by: "tag", tags)
        registry.moments("last_timestamp_seconds", "Last.", by: "tag", of: tags)
        let long = String(repeating: "é", count: 70)
        for (count, tag) in [(1, "a"), (2, long), (4, "c"), (8, "d"), (16, nil), (32, "a"), (64, "_other")] {
            tags.add(Int64(count), tag, at: Timestamp(milliseconds: Int64(count) * 1000))
        }
        let cut = String(repeating: "é", count: 64)
        let samples = lines().filter { !$0.hasPrefix("#") }
        #expect(
            samples.prefix(4) == [
                #"p_tags_total{tag="a"} 33"#, "p_tags_total{tag=\"\(cut)\"} 2", #"p_tags_total{tag="_untagged"} 16"#,
                #"p_tags_total{tag="_other"} 76"#,
            ])
        #expect(
            samples.suffix(4) == [
                #"p_last_timestamp_seconds{tag="a"} 32"#, "p_last_timestamp_seconds{tag=\"\(cut)\"} 2",
                #"p_last_timestamp_seconds{tag="_untagged"} 16"#, #"p_last_timestamp_seconds{tag="_other"} 64"#,
            ])
        #expect(tags.distinct == 5)
    }

    @Test func numbers() {
        let gauge = registry.gauge("g", "G.")
        for (value, text) in [
            (1_795_903_878.66, "1795903878.66"), (0, "0"), (-0.0, "0"), (3, "3"), (.nan, "NaN"), (.infinity, "+Inf"),
            (-.infinity, "-Inf"), (0.0005, "0.0005"),
        ] {
            gauge.set(value)
            #expect(lines().last == "p_g \(text)")
        }
        gauge.set(Timestamp(milliseconds: 1_500))
        #expect(lines().last == "p_g 1.5")
        gauge.set(Timestamp?.none)
        #expect(lines().last == "p_g 0")
    }

    @Test func aCounterOnlyRisesAndKnowsItsUnit() {
        let counter = Counter(perUnit: 1000)
        counter.add(1500)
        counter.add(-400)
        #expect(counter.value == 1.5)
        let histogram = Histogram(bounds: [1])
        registry.histogram("h", "H.", histogram)
        histogram.observe(-5)
        var tally = Histogram.Tally(histogram)
        for value in [0.5, 2, -3] { tally.observe(value, count: 2) }
        histogram.take(&tally)
        histogram.take(&tally)
        #expect(
            lines().suffix(4) == [#"p_h_bucket{le="1"} 5"#, #"p_h_bucket{le="+Inf"} 7"#, "p_h_sum 5", "p_h_count 7"])
    }

    @Test func theProcessIsMeasured() throws {
        let health = ServiceHealth()
        let heart = Heartbeat()
        health.begin([("reader", heart)], interval: .seconds(1))
        registry.addProcess(health)
        #expect(lines().contains(#"p_loop_last_beat_timestamp_seconds{loop="reader"} 0"#))
        heart.beat()
        let values = Dictionary(
            lines().filter { !$0.hasPrefix("#") }.compactMap { line -> (String, Double)? in
                let parts = line.split(separator: " ")
                return Double(parts[1]).map { (String(parts[0]), $0) }
            }, uniquingKeysWith: { $1 })
        let now = Double(Timestamp.now().milliseconds) / 1000
        #expect(abs(try #require(values[#"p_loop_last_beat_timestamp_seconds{loop="reader"}"#]) - now) < 60)
        for name in ["cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds"] {
            #expect(try #require(values["process_\(name)"]) > 0, "\(name)")
        }
    }

    @Test func whatHangsOrStartsIsNamed() {
        let health = ServiceHealth(startsWith: ["journal", "loader-1"])
        #expect(health.obstacles == ["journal", "loader-1"] && health.silent == [])
        health.done("journal")
        health.done("loader-1")
        #expect(health.obstacles == [])
        health.begin([], interval: .seconds(3600))
        health.look(["reader"])
        #expect(health.silent == ["reader"])
        health.look([])
        health.drain()
        #expect(health.obstacles == ["draining"] && health.silent == [])
        health.begin([], interval: .zero)
        #expect(health.silent == ["main"], "nobody looks")
    }
}
