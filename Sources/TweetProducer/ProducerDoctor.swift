import Core
import Glibc
import Journal
import KafkaClient
import Logging
import XAPI

/// Finds what would keep the producer from working, or stop it later. Reads only, apart from one file that it removes.
struct ProducerDoctor {
    let settings: ProducerSettings
    private let kafkaPatience = Duration.seconds(5)

    /// What needs no network.
    func local(now: Timestamp) -> [DoctorFinding] {
        var findings: [DoctorFinding] = []
        if case .file(let path) = settings.stream.x.token { findings.append(Self.secretFile("token", path)) }
        findings += FolderDoctor(settings.journalFolder).findings
        findings.append(money(now))
        return findings
    }

    /// What X and Kafka say.
    func remote(now: Timestamp) -> [DoctorFinding] { x(now) + kafka() }

    // MARK: Files

    /// A file with a secret, which only its owner may read.
    ///
    /// - Parameters:
    ///   - name: of the check.
    ///   - path: the file.
    /// - Returns: what was found; its content was checked with the settings.
    static func secretFile(_ name: String, _ path: String) -> DoctorFinding {
        var found = stat()
        guard unsafe stat(path, &found) == 0 else {
            return .fail(name, "\(FileError("read", path))", remedy: "create the file", .operator(.credentials))
        }
        let mode = found.st_mode & 0o777
        guard mode & 0o007 == 0 else {
            return .warning(
                name, "\(path) has mode 0\(String(mode, radix: 8)): every user can read it", remedy: "chmod 600 \(path)"
            )
        }
        return .ok(name, "\(path) is readable for its owner")
    }

    // MARK: Money

    private func money(_ now: Timestamp) -> DoctorFinding {
        let limits = settings.stream.posts
        guard let limit = limits.perMonth else { return .ok("money", "no limit of posts (MAX_POSTS_PER_MONTH)") }
        let folder = settings.journalFolder + "/" + settings.stream.stream
        let end = UsageForecast.nextReset(day: limits.resetDay, after: now.day)
        return Self.money(
            PostCounter.stored(in: folder), today: now.day, from: limits.firstDay(at: now), until: end, limit: limit)
    }

    /// Judges the limit by the last seven days.
    ///
    /// - Parameters:
    ///   - posts: by day since 1970.
    ///   - today: the day, which has not ended.
    ///   - first: of the billing cycle.
    ///   - end: the first day of the next one.
    ///   - limit: of the cycle.
    /// - Returns: what was found.
    static func money(
        _ posts: [Int64: Int64], today: Int64, from first: Int64, until end: Int64, limit: Int64
    ) -> DoctorFinding {
        let used = posts.filter { $0.key >= first }.values.reduce(0, +)
        let perDay = posts.filter { (today - 7..<today).contains($0.key) }.values.reduce(0, +) / 7
        let forecast = used + perDay * max(0, end - today)
        let detail = "\(used) posts of \(limit) are used; at \(perDay) a day the cycle ends with \(forecast)"
        guard forecast > limit else { return .ok("money", detail) }
        return .warning("money", detail, remedy: "narrow the rules that match most, or raise MAX_POSTS_PER_MONTH")
    }

    // MARK: X

    private func x(_ now: Timestamp) -> [DoctorFinding] {
        let path = "/2/tweets/search/stream/rules"
        do throws(XError) {
            let answer = try XAPI(settings.stream.x).call("GET", path, [])
            return [
                .ok("x", "\(settings.stream.x.url) accepts the token"), Self.clock(answer.headers["date"], now: .now()),
            ]
        } catch {
            return [
                .fail(
                    "x", error.description, remedy: "see \"cannot read the stream\" in docs/operations.md",
                    error.disposition)
            ]
        }
    }

    /// Compares our clock with that of X, which counts whole seconds.
    ///
    /// - Parameters:
    ///   - date: the header of an answer.
    ///   - now: when it came.
    /// - Returns: what was found.
    static func clock(_ date: String?, now: Timestamp) -> DoctorFinding {
        guard let there = date.flatMap(HTTPDate.time) else { return .ok("clock", "X names no time") }
        let off = abs(now.milliseconds - there.milliseconds)
        guard off > 2000 else { return .ok("clock", "at most 2 s from X's") }
        return .warning(
            "clock", "\(off / 1000) s from X's: gaps and delays are measured wrong",
            remedy: "synchronize it (chrony, NTP)")
    }

    // MARK: Kafka

    func kafka() -> [DoctorFinding] {
        let logger = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
        let producer: KafkaProducer
        do throws(KafkaClientError) { producer = try KafkaProducer(settings.kafka, logger: logger) } catch {
            return [.fail("kafka", error.description, remedy: "correct the properties", error.disposition)]
        }
        var findings = [library]
        let topic = settings.topic
        for name in [topic, topic + ".events"] {
            do throws(KafkaError) {
                let found = try producer.topicConfig(
                    name, names: ["retention.ms", "max.message.bytes", "cleanup.policy"], timeout: kafkaPatience)
                findings += Self.topic(name, found, lineLimit: settings.stream.lineLimit)
            } catch {
                findings.append(
                    .fail(
                        "topic \(name)", "\(error)",
                        remedy: "check KAFKA_BOOTSTRAP_SERVERS and the ACLs; kafka/create-topics.sh creates the topics",
                        .wait))
            }
        }
        return findings
    }

    private var library: DoctorFinding {
        let mechanism = (try? settings.kafka.current())?.properties["sasl.mechanism"]?.value ?? ""
        return Self.library(kafkaLibrary.version, mechanism: mechanism)
    }

    /// Brokers of Kafka 4 reject the SCRAM of librdkafka before 2.6.1.
    static func library(_ version: String, mechanism: String) -> DoctorFinding {
        let parts = version.split(separator: ".").prefix(3).compactMap { Int($0.prefix { $0.isNumber }) }
        let isOld = parts.count == 3 && (parts[0], parts[1], parts[2]) < (2, 6, 1)
        guard isOld, mechanism.uppercased().hasPrefix("SCRAM") else { return .ok("librdkafka", version) }
        return .warning(
            "librdkafka", "\(version) with \(mechanism): brokers of Kafka 4 reject it",
            remedy: "install librdkafka 2.6.1 or later, or use mutual TLS")
    }

    /// Settings of a topic that lose lines, or reject them.
    ///
    /// - Parameters:
    ///   - name: of the topic.
    ///   - found: what the broker reports; nothing without the right to see it.
    ///   - lineLimit: X_LINE_LIMIT in bytes.
    /// - Returns: what was found.
    static func topic(_ name: String, _ found: [String: String], lineLimit: Int) -> [DoctorFinding] {
        guard !found.isEmpty else { return [.ok("topic \(name)", "its settings may not be read (DescribeConfigs)")] }
        var findings: [DoctorFinding] = []
        if let retention = found["retention.ms"].flatMap({ Int64($0) }), (0..<604_800_000).contains(retention) {
            findings.append(
                .warning(
                    "topic \(name)",
                    "retention.ms is \(shortAge(retention / 1000)): a loader that is away for longer loses lines",
                    remedy: "set it to at least seven days"))
        }
        if let bytes = found["max.message.bytes"].flatMap({ Int($0) }), bytes < lineLimit {
            findings.append(
                .warning(
                    "topic \(name)",
                    "max.message.bytes is \(bytes), below X_LINE_LIMIT (\(lineLimit)): longer lines become rejects",
                    remedy: "raise max.message.bytes of the topic, and message.max.bytes in the properties"))
        }
        if found["cleanup.policy"]?.contains("compact") == true {
            findings.append(
                .fail(
                    "topic \(name)", "it is compacted: Kafka deletes lines that were not loaded",
                    remedy: "set cleanup.policy=delete"))
        }
        return findings.isEmpty ? [.ok("topic \(name)", "retention, size and policy fit")] : findings
    }
}

/// The time in a `Date` header (RFC 9110, IMF-fixdate): `Sun, 29 Nov 2026 17:00:00 GMT`.
enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func time(_ text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, let month = months.firstIndex(of: String(parts[2])) else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return Timestamp("\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
    }
}
