import FoundationEssentials
import Glibc

/// From the socket to acknowledged in Kafka with the journal on, against `curl | kcat` on the same lines and broker.
struct ProducerBench {
    let lines: Int
    let rounds: Int
    let peers: PythonPeers

    private static let patience = Duration.seconds(300)

    func run() throws -> [Figure] {
        tellProgress("producer: making lines")
        let pool = LinePool(lines: min(lines, 20_000))
        let whole = (lines + LinePool.linesPerBlock - 1) / LinePool.linesPerBlock * LinePool.linesPerBlock
        var (ours, reference, cpu, peak) = ([Double](), [Double](), [Double](), [Double]())
        for round in 1...rounds {
            tellProgress("producer: round \(round) of \(rounds), curl | kcat")
            reference.append(Double(whole) / (try runReference(pool, whole, "reference", Self.kcat)))
            tellProgress("producer: round \(round) of \(rounds), tweet-producer")
            let result = try runProducer(pool, whole)
            ours.append(Double(whole) / result.seconds)
            cpu.append(result.usage.cpuSeconds / Double(whole) * 1e6)
            peak.append(result.usage.peakMiB)
        }
        let python = try runPeer(pool, whole, ours: ours.median)
        tellProgress("producer: memory without Kafka")
        let down = try peakWithoutKafka(pool, whole)
        tellProgress("producer: memory with a Kafka that hangs")
        let hanging = try peakWithHangingKafka(pool, whole)
        return [
            Figure("producer_line_bytes", pool.lineBytes, "B", "producer: mean line"),
            Figure("producer_lines_per_second", ours.median, "lines/s", "producer: socket to acknowledged, journal on"),
            Figure(
                "producer_bytes_per_second", ours.median * pool.lineBytes / 1e6, "MB/s", "producer: the same in bytes"),
            Figure("curl_kcat_lines_per_second", reference.median, "lines/s", "curl | kcat -P, idempotent, lz4"),
            Figure("producer_ratio", ours.median / reference.median, "", "producer ÷ curl | kcat"),
            Figure("producer_cpu_per_line", cpu.median, "µs", "producer: CPU time a line"),
            Figure("producer_peak_memory", peak.max() ?? 0, "MiB", "producer: peak memory"),
            Figure(
                "producer_peak_memory_kafka_down", down, "MiB", "producer: peak memory, Kafka down for the whole run"),
            Figure("producer_peak_memory_kafka_hangs", hanging ?? 0, "MiB", "producer: peak memory, Kafka hangs"),
        ] + python
    }

    /// The Python producer on the same lines, once.
    private func runPeer(_ pool: LinePool, _ lines: Int, ours: Double) throws -> [Figure] {
        let name = "python_producer_lines_per_second"
        let about = "Python producer, idempotent"
        switch peers.script("confluent_producer.py", needs: ["confluent_kafka", "orjson", "requests"]) {
        case .absent(let reason): return [Figure(absent: name, "\(about): \(reason)")]
        case .ready(let command):
            tellProgress("producer: the Python producer")
            let seconds = try runReference(pool, lines, "python") { url, kafka, topic in
                ChildCommand("/usr/bin/timeout", command + [url, kafka, topic, "\(lines)"])
            }
            let rate = Double(lines) / seconds
            return [
                Figure(name, rate, "lines/s", about),
                Figure("producer_ratio_python", ours / rate, "", "producer ÷ Python producer"),
            ]
        }
    }

    private static func kcat(_ url: String, _ kafka: String, _ topic: String) -> ChildCommand {
        ChildCommand(
            "/bin/sh",
            ["-c", "curl -sN '\(url)' | kcat -P -b '\(kafka)' -t '\(topic)' -z lz4 -X enable.idempotence=true"])
    }

    /// Seconds from the first byte to the last acknowledgement of another program.
    private func runReference(
        _ pool: LinePool, _ lines: Int, _ name: String,
        _ makeCommand: (_ url: String, _ kafka: String, _ topic: String) -> ChildCommand
    ) throws -> Double {
        let kafka = try BenchKafka(others: [name])
        defer { kafka.process?.stop() }
        let topic = "\(kafka.topic).\(name)"
        let server = try LineServer(.flatOut(pool, lines: lines), staysOpen: false)
        return try server.serving {
            var command = makeCommand("\(server.url)/2/tweets/search/stream", kafka.bootstrapServers, topic)
            command.errors = .inherit
            let process = try ChildProcess(command)
            defer { process.terminate() }
            let end = try kafka.wait(for: lines, in: topic, atMost: Self.patience)
            return try seconds(server.wait(isComplete: true, atMost: .seconds(1)), until: end)
        }
    }

    private func runProducer(_ pool: LinePool, _ lines: Int) throws -> (seconds: Double, usage: ProcessUsage) {
        let kafka = try BenchKafka()
        defer { kafka.process?.stop() }
        let server = try LineServer(.flatOut(pool, lines: lines))
        return try server.serving {
            try BenchService.producer(server, kafka: kafka.bootstrapServers, topic: kafka.topic).running { process in
                let end = try kafka.wait(for: lines, in: kafka.topic, atMost: Self.patience)
                let usage = try ProcessUsage(of: process.processID)
                return (try seconds(server.wait(isComplete: true, atMost: .seconds(1)), until: end), usage)
            }
        }
    }

    private func peakWithoutKafka(_ pool: LinePool, _ lines: Int) throws -> Double {
        let server = try LineServer(.flatOut(pool, lines: lines))
        return try server.serving {
            let nobody = "127.0.0.1:\(try freePort())"
            return try BenchService.producer(server, kafka: nobody, topic: "tweets").running { process in
                try server.wait(isComplete: true, atMost: Self.patience)
                sleep(1)
                return try ProcessUsage(of: process.processID).peakMiB
            }
        }
    }

    /// Nil with a broker that is not ours to halt.
    private func peakWithHangingKafka(_ pool: LinePool, _ lines: Int) throws -> Double? {
        let kafka = try BenchKafka()
        guard let broker = kafka.process else { return nil }
        defer { broker.stop() }
        let server = try LineServer(.flatOut(pool, lines: lines))
        return try server.serving {
            try BenchService.producer(server, kafka: kafka.bootstrapServers, topic: kafka.topic).running { process in
                try server.wait(isComplete: false, atMost: .seconds(20))
                _ = try kafka.wait(for: 1000, in: kafka.topic, atMost: Self.patience)
                broker.setHalted(true)
                try server.wait(isComplete: true, atMost: Self.patience)
                sleep(1)
                return try ProcessUsage(of: process.processID).peakMiB
            }
        }
    }

    private func seconds(_ delivery: LineServer.Delivery, until end: ContinuousClock.Instant) -> Double {
        ((delivery.began ?? delivery.accepted).duration(to: end)).seconds
    }
}
