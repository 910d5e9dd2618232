import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// What a scraper gets from both services of a running pipeline.
@Suite(.serialized, .timeLimit(.minutes(5))) struct MetricsTests {
    /// curl(1) as the client: status, header and body are judged by a program that is not ours.
    private func get(_ url: String, _ arguments: [String] = []) async throws -> (status: Int, text: String) {
        let command = ChildCommand("/usr/bin/curl", ["-s", "-m", "10", "-w", "\n%{http_code}"] + arguments + [url])
        let output = try await blocking { try ChildProcess.run(command).output }
        let end = output.lastIndex(of: "\n") ?? output.startIndex
        return (Int(output[end...].dropFirst()) ?? 0, String(output[..<end]))
    }

    private func scrape(_ url: String, _ arguments: [String] = []) async throws -> Exposition {
        Exposition(try await get(url + "/metrics", arguments).text)
    }

    private func expectAlive(_ address: String) async throws {
        for probe in ["livez", "readyz"] { #expect(try await get("http://\(address)/\(probe)").status == 200) }
    }

    /// Two free addresses, and the settings that make the services listen there.
    private func addresses() throws -> (producer: String, loader: String) {
        ("127.0.0.1:\(try freePort())", "127.0.0.1:\(try freePort())")
    }

    private func names(_ pipeline: LocalPipeline, _ service: LocalPipeline.Service) async throws -> [String] {
        struct Report: Decodable {
            struct Row: Decodable { let name: String }
            let metrics: [Row]
        }
        let output = try await blocking { try pipeline.run(service, ["metrics", "--json"]) }
        return try JSONDecoder().decode(Report.self, from: Data(output.utf8)).metrics.map(\.name)
    }

    @Test func theValuesAreWhatWasSentAndEveryFamilyIsThere() async throws {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 5, count: 2000)
        configuration.rate = nil
        configuration.keepAlive = .milliseconds(300)
        let (producer, loader) = try addresses()
        try await PipelineRun.alone(configuration) { run in
            run.x.addRules([("pipeline", "a \"tag\"")])
            try run.pipeline.start(.producer, settings: ["LISTEN": producer])
            try run.pipeline.start(.loader, settings: ["LISTEN": loader])
            #expect(try await holds { try await get("http://\(producer)/readyz").status == 200 })
            #expect(try await holds { try await get("http://\(loader)/readyz").status == 200 })
            try await run.expect("all lines in PostgreSQL") {
                try await run.query("SELECT count(*) FROM tweets") == "2000"
            }
            try await expectProducer(producer, run)
            try await expectLoader(loader, run)
            for (service, address) in [(LocalPipeline.Service.producer, producer), (.loader, loader)] {
                let text = try await scrape("http://\(address)").text
                let found = Set(text.matches(of: #/(?m)^# TYPE (\S+)/#).map { String($0.1) })
                #expect(Set(try await names(run.pipeline, service)) == found)
                #expect(try await get("http://\(address)/livez").status == 200)
            }
            for service in [LocalPipeline.Service.producer, .loader] {
                #expect(run.pipeline.process(of: service)?.terminate(grace: .seconds(90)) == .status(0))
            }
            // The port is closed with the service.
            #expect(try await get("http://\(producer)/livez").status == 0)
        }
    }

    private func expectProducer(_ address: String, _ run: PipelineRun) async throws {
        var found = Exposition("")
        _ = try await holds {
            found = try await scrape("http://\(address)")
            return found["tweet_producer_journal_oldest_unacknowledged_timestamp_seconds"] == 0
                && found["tweet_producer_journal_used_bytes"] ?? 0 > 0
                && found["tweet_producer_journal_acknowledged_seq"] == found["tweet_producer_journal_durable_seq"]
                && found["tweet_producer_rules_last_check_timestamp_seconds"] ?? 0 > 0
        }
        let now = Double(Timestamp.now().milliseconds) / 1000
        let p = "tweet_producer_"
        #expect(found[p + "x_posts_total"] == 2000 && found[p + "x_connected"] == 1)
        #expect(found[p + #"x_connect_attempts_total{outcome="connected"}"#] == 1)
        #expect(found[p + #"x_connect_attempts_total{outcome="network"}"#] == 0)
        #expect(found.sum(p + "x_disconnects_total") == 0 && found[p + "x_connect_budget_remaining"] == 99_999)
        #expect(abs(found.value(p + "x_last_byte_timestamp_seconds") - now) < 30)
        #expect(found[p + #"kafka_acknowledged_lines_total{topic="tweets"}"#] == 2000)
        let lines = found[p + "journal_durable_seq"]
        #expect(found[p + "journal_lines_total"] == lines && found.sum(p + "kafka_acknowledged_lines_total") == lines)
        #expect(found.value(p + #"kafka_acknowledged_bytes_total{topic="tweets"}"#) > 2000 * 100)
        #expect(found.value(p + #"kafka_acknowledged_bytes_total{topic="events"}"#) > 0)
        #expect(found[p + "kafka_delivery_duration_seconds_count"] == lines)
        #expect(found[p + "x_delivery_delay_seconds_count"] == 2000)
        #expect(found.value(p + "journal_fsync_duration_seconds_count") > 0 && found[p + "journal_writable"] == 1)
        #expect(found[p + #"rule_posts_total{tag="a \"tag\""}"#] == 2000 && found[p + "rule_tags"] == 1)
        #expect(found[p + #"posts_used{window="day"}"#] == 2000 && found[p + #"posts_used{window="cycle"}"#] == 2000)
        #expect(found[p + "post_price_dollars"] == 0.005 && found[p + "rules_at_x"] == 1)
        #expect(found.value(p + #"loop_last_beat_timestamp_seconds{loop="reader"}"#) > now - 30)
        #expect(found[p + #"build_info{version="\#(productVersion)"}"#] == 1)
    }

    private func expectLoader(_ address: String, _ run: PipelineRun) async throws {
        var found = Exposition("")
        let l = "tweet_loader_"
        let lines = Double(try run.status().lastSeq)
        _ = try await holds {
            found = try await scrape("http://\(address)")
            return found.sum(l + "settled_messages_total") == lines && found[l + "partitions_assigned"] == 13
                && found[l + "status_read_timestamp_seconds"] ?? 0 > 0
                && found.values.keys.contains { $0.hasPrefix(l + "partition_lag_messages") }
                && found.sum(l + "partition_lag_messages") == 0
                && found.sum(l + "partition_oldest_unsettled_timestamp_seconds") == 0
        }
        #expect(found[l + #"settled_messages_total{outcome="inserted"}"#] == 2000)
        #expect(found[l + #"settled_messages_total{outcome="event"}"#] == lines - 2000)
        #expect(found.sum(l + "rejects_total") == 0 && found[l + "holes_open"] == 0)
        // Writers that join the group one after the other read some messages twice.
        #expect(found.value(l + #"consumed_messages_total{topic="tweets"}"#) >= 2000)
        #expect(found[l + "end_to_end_delay_seconds_count"] == lines && found[l + "batch_messages_sum"] == lines)
        let committed = found[l + #"transactions_total{outcome="committed"}"#]
        #expect(committed == found[l + "transaction_duration_seconds_count"] && committed ?? 0 > 0)
        #expect(found[l + "kafka_connected"] == 1 && found[l + "postgres_connected"] == 1)
        #expect(found[l + "partitions_assigned"] == 13, "12 of tweets, and that of events")
        #expect(found[l + "database_size_bytes"] ?? 0 > 1_000_000 && found[l + "status_read_errors_total"] == 0)
        #expect(found.sum(l + "postgres_errors_total") == 0)
    }

    private static let promtool = "/usr/bin/promtool"

    /// Judged by a parser that is not ours: Prometheus's own, of a pipeline with values in all of its parts.
    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: promtool), "Debian's package prometheus has promtool")
    )
    func promtoolAcceptsBothExpositions() async throws {
        var configuration = XSimulator.Configuration()
        configuration.feed = .generator(seed: 6, count: 100)
        let (producer, loader) = try addresses()
        try await PipelineRun.alone(configuration) { run in
            run.x.addRules([("pipeline", "we\"ird\\\u{301} tag")])
            try run.pipeline.start(.producer, settings: ["LISTEN": producer])
            try run.pipeline.start(.loader, settings: ["LISTEN": loader])
            try await run.expect("all lines in PostgreSQL") {
                try await run.query("SELECT count(*) FROM tweets") == "100"
            }
            _ = try await holds { try await scrape("http://\(loader)").text.contains("partition_lag_messages{") }
            for address in [producer, loader] {
                let check = ChildCommand(
                    "/bin/sh",
                    ["-c", "curl -s \"$1\" | \(Self.promtool) check metrics", "sh", "http://\(address)/metrics"])
                let (exit, output) = try await blocking { try ChildProcess.run(check) }
                #expect(exit == .status(0) && output.isEmpty, "\(address): \(output)")
            }
        }
    }

    /// Waits for rows, and until all partitions are held: one that the group assigns while PostgreSQL is unreachable
    /// cannot be claimed, and shows no lag.
    private func expectLoading(_ loader: String, _ run: PipelineRun) async throws {
        try await run.expect("rows") { (Int(try await run.query("SELECT count(*) FROM tweets")) ?? 0) > 100 }
        try await run.expect("all partitions are held") {
            try await scrape("http://\(loader)")["tweet_loader_partitions_assigned"] == 13
        }
    }

    @Test func aLoaderThatIsBehindShowsItsAge() async throws {
        let (producer, loader) = try addresses()
        var configuration = XSimulator.Configuration()
        configuration.rate = 50
        try await PipelineRun.alone(configuration) { run in
            run.x.addRules([("pipeline", "main")])
            try run.pipeline.start(.producer, settings: ["LISTEN": producer])
            try run.pipeline.start(.loader, settings: ["LISTEN": loader])
            try await expectLoading(loader, run)
            run.pipeline.postgres.stop(.immediate)
            let stopped = Double(Timestamp.now().milliseconds) / 1000
            var found = Exposition("")
            let name = "tweet_loader_partition_oldest_unsettled_timestamp_seconds"
            let isShown = try await holds {
                found = try await scrape("http://\(loader)")
                let oldest = found.values.filter { $0.key.hasPrefix(name) && $0.value > 0 }.values.min()
                return found.sum("tweet_loader_partition_lag_messages") > 100
                    && found["tweet_loader_postgres_connected"] == 0
                    && oldest.map { abs($0 - stopped) < 30 } ?? false
            }
            #expect(isShown, "\(found.text)\n\(run.pipeline.log(of: .loader).suffix(2000))")
            #expect(found.sum("tweet_loader_postgres_errors_total") > 0)
            // It lives and is ready: neither is a matter of PostgreSQL.
            try await expectAlive(loader)
            try run.pipeline.postgres.start()
            let isOver = try await holds {
                found = try await scrape("http://\(loader)")
                return found["tweet_loader_postgres_connected"] == 1
            }
            #expect(isOver)
        }
    }

    @Test func aKafkaThatIsAwayShowsTheAgeOfTheJournal() async throws {
        let address = try addresses().producer
        var configuration = XSimulator.Configuration()
        configuration.rate = 50
        configuration.enforcesRateLimits = false
        try await PipelineRun.alone(configuration) { run in
            run.x.addRules([("pipeline", "main")])
            let began = Double(Timestamp.now().milliseconds) / 1000
            // Nothing listens there: not even the first line is ever read by the publisher.
            try run.pipeline.start(
                .producer, settings: ["LISTEN": address, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"])
            var found = Exposition("")
            let isShown = try await holds {
                found = try await scrape("http://\(address)")
                return found["tweet_producer_x_posts_total"] ?? 0 > 50
                    && found["tweet_producer_journal_oldest_unacknowledged_timestamp_seconds"] ?? 0 > began - 1
            }
            let oldest = found["tweet_producer_journal_oldest_unacknowledged_timestamp_seconds"] ?? 0
            #expect(isShown && abs(oldest - began) < 30, "\(oldest) \(began)")
            #expect(found["tweet_producer_journal_acknowledged_seq"] == 0)
            // Breaks and repeats are counted where they happen.
            run.x.inject(Fault(.close))
            #expect(
                try await holds {
                    found = try await scrape("http://\(address)")
                    return found.sum("tweet_producer_x_disconnects_total") == 1
                        && found[#"tweet_producer_x_connect_attempts_total{outcome="connected"}"#] == 2
                })
            #expect(found.sum("tweet_producer_gaps_total") == 1)
            try await expectAlive(address)
        }
    }

    @Test func whoMayAskAndWhatForIsJudgedByCurl() async throws {
        let port = try freePort()
        let folder = try TemporaryFolder()
        try folder.write("0123456789abcdef0123\n", to: "token")
        var configuration = XSimulator.Configuration()
        configuration.rate = 10
        try await PipelineRun.alone(configuration) { run in
            // Every address of this host: what is no loopback needs the token.
            try run.pipeline.start(
                .producer,
                settings: ["LISTEN": "0.0.0.0:\(port)", "STATUS_TOKEN_FILE": folder.path + "/token"])
            let url = "http://127.0.0.1:\(port)"
            #expect(try await holds { try await get(url + "/readyz").status == 200 })
            #expect(try await get(url + "/metrics").status == 401)
            let token = ["-H", "Authorization: Bearer 0123456789abcdef0123"]
            #expect(try await get(url + "/metrics", token).status == 200)
            #expect(try await get(url + "/status", token).text.contains("\"is_ready\" : true"))
            let head = try await get(url + "/metrics", token + ["-I", "-H", "Accept: application/openmetrics-text"])
            #expect(head.status == 200 && head.text.lowercased().contains("content-type: application/openmetrics-text"))
            #expect(!head.text.contains("# EOF"))
            #expect(try await get(url + "/metrics", token + ["-X", "POST"]).status == 405)
            // A second service cannot have the same address: a chosen one is an error of the settings.
            let other = try ChildProcess.run(
                try ChildCommand(
                    service: .loader, ["run"],
                    settings: run.pipeline.environment.merging(["LISTEN": "127.0.0.1:\(port)"]) { $1 }))
            #expect(
                other.exit == .status(78)
                    && other.output.contains("LISTEN (--listen): cannot listen on 127.0.0.1:\(port)"))
        }
    }

    /// Listens on a port of the loopback until the descriptor is closed, unless somebody else does.
    private static func hold(_ port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = unsafe bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        listen(descriptor, 1)
        return descriptor
    }

    @Test func aDefaultAddressThatIsTakenStopsNoService() async throws {
        var configuration = XSimulator.Configuration()
        configuration.rate = 10
        try await PipelineRun.alone(configuration) { run in
            run.x.addRules([("pipeline", "main")])
            // Whoever has the port, this process or another one, nobody gets it twice.
            let holder = Self.hold(9464)
            defer { close(holder) }
            try run.pipeline.start(.producer, settings: ["LISTEN": nil])
            try await run.expect("the stream") { run.log.contains("connected to the stream") }
            #expect(run.log.contains("cannot listen on the default address"))
        }
    }
}
