import Core
import Digests
import Glibc
import Journal
import KafkaClient
import LogShipping
import ObjectStore
import XAPI

/// Finds what would keep the producer from working, or stop it later. Reads only, apart from one file that it removes.
struct ProducerDoctor {
    let settings: ProducerSettings

    private var kafkaDoctor: KafkaDoctor {
        KafkaDoctor(
            settings.kafka, topics: [settings.topic, settings.topic + ".events"], createsTopics: true,
            lineLimit: settings.stream.lineLimit)
    }

    private var bucketDoctor: S3Doctor? { settings.upload.map { S3Doctor($0.s3, $0.options) } }

    /// What needs no network.
    func local(now: Timestamp) -> [DoctorFinding] {
        var findings: [DoctorFinding] = []
        if case .file(let path) = settings.stream.x.token { findings.append(.secretFile("token", path)) }
        if let path = settings.listen?.tokenFile { findings.append(.secretFile("status token", path)) }
        findings += kafkaDoctor.local
        findings += settings.logs.map { ReceiverDoctor($0).local } ?? []
        findings += FolderDoctor(settings.journalFolder).findings
        findings += [journal, lockFolder, money(now)] + DoctorFinding.system(memory: Self.memory)
        return findings
    }

    /// What a producer needs at most, without a longer X_LINE_LIMIT or a larger queue of librdkafka (docs/faults.md, F41).
    private static let memory: Int64 = 128 << 20

    /// What can only be known by a write: an id for a producer of Kafka, an object in the bucket, and the next line of the producer that
    /// runs here.
    ///
    /// - Parameter patience: for that line: more than HEARTBEAT.
    /// - Returns: what was found.
    func probe(patience: Duration) -> [DoctorFinding] {
        [kafkaDoctor.producerID()] + [bucketDoctor?.probe()].compactMap { $0 }
            + [ProducerProbe(settings.listen).finding(patience: patience)]
    }

    /// What X, Kafka, S3 and the receiver of the log say.
    func remote(now: Timestamp) -> [DoctorFinding] {
        let logs = settings.logs.map { [ReceiverDoctor($0).remote(now: now)] } ?? []
        return XDoctor(settings).findings(now: now) + kafka(now) + (bucketDoctor?.findings(now: now) ?? []) + logs
    }

    private func kafka(_ now: Timestamp) -> [DoctorFinding] {
        let (servers, encryption) = (settings.kafka.bootstrapServers, kafkaDoctor.encryption)
        let found = kafkaDoctor.remote()
        return ServerDoctor.kafka(
            servers, hasTLS: encryption.hasTLS, clientCertificate: encryption.certificate, now: now)
            + ServerDoctor.brokers(found.brokers, beside: servers, hasTLS: encryption.hasTLS, now: now)
            + found.findings
    }

    // MARK: Files

    /// Whether the journal can be read, and who writes it.
    private var journal: DoctorFinding {
        let name = "lines"
        do throws(JournalError) {
            guard try JournalStatus.streams(in: settings.journalFolder).contains(settings.stream.stream) else {
                return .ok(name, "the journal has none yet")
            }
            let status = try JournalStatus(folder: settings.journalFolder, stream: settings.stream.stream, quota: nil)
            guard status.checkpoint <= status.lastSeq else {
                return .warning(
                    name,
                    "Kafka has acknowledged line \(status.checkpoint), and the journal ends with \(status.lastSeq)",
                    remedy: "an older copy of the journal? tweet-producer journal verify, before the service starts")
            }
            let holder = status.process.map { ", written by \($0)" } ?? ""
            return .ok(name, "\(status.lastSeq), \(status.unacknowledged) of them not in Kafka\(holder)")
        } catch {
            // A folder that does not exist has no journals; `journal` judges whether it can be made.
            guard FolderDoctor.exists(settings.journalFolder) else { return .ok(name, "the journal has none yet") }
            return .fail(name, "\(error)", remedy: "tweet-producer journal verify", error.disposition)
        }
    }

    private var lockFolder: DoctorFinding {
        let folder = settings.stream.lockFolder
        guard unsafe access(folder, W_OK | X_OK) == 0 else {
            return .warning(
                "locks", "\(folder) cannot be written by uid \(geteuid()): nothing prevents a second producer",
                remedy: "ReadWritePaths= in the unit, or X_LOCK_DIR")
        }
        return .ok("locks", "\(folder) can be written")
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
}
