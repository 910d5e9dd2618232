import Core
import Foundation
import Glibc
import Harness
import Postgres
import Sandbox
import TestSupport

/// Two to four loaders under random faults, and the judge of what came of it.
final class LoaderSoak {
    /// What was published, and what PostgreSQL holds of it.
    struct Verdict: CustomStringConvertible {
        /// Distinct lines: tweets and garbage; records has repetitions too.
        var published = 0
        var tweets = 0
        var garbage = 0
        var records = 0
        var stored = 0
        var missing = 0
        var doubled = 0
        var rejects = 0
        var offsets = 0
        var verify = ""
        var faults: [String: Int] = [:]
        /// Bytes; of the loader that is never killed: the highest, the lowest of the second quarter, that of the last.
        ///
        /// What waits comes and goes with the faults, and on top: memory that is lost lifts the lowest as well.
        var peakRSS = 0
        var earlyRSS = 0
        var lastRSS = 0
        /// Whether that loader was the same process from the beginning to the end.
        var isSteady = false
        /// Tweets published in a second, over the whole time of faults; and what was not settled at its end.
        var perSecond = 0.0
        var waiting = 0
        /// Whether all was settled before it was judged, and how long that took after the last fault.
        var isCaughtUp = false
        var catchUp = Duration.zero

        var description: String {
            let done = faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            return """
                published=\(published) per_second=\(Int(perSecond)) waiting=\(waiting) records=\(records) stored=\(stored) \
                rejects=\(rejects) missing=\(missing) doubled=\(doubled) offsets=\(offsets) caught up in \(catchUp); resident MiB: \
                lowest early \(earlyRSS >> 20), at last \(lastRSS >> 20), peak \(peakRSS >> 20); faults: \(done)
                """
        }
    }

    let loaders: LoaderRun
    private let postgres: PostgresSandbox
    private let disk: SmallDisk?
    private let feed: SoakFeed
    private let seconds: Int
    private var random: SplitMix64
    private var verdict = Verdict()
    private var resident: [Int] = []
    /// What ends a fault, and when.
    private var pending: [(due: ContinuousClock.Instant, undo: () throws -> Void)] = []
    private var names = ["steady", "b"]

    init(seed: UInt64, rate: Int, seconds: Int) throws {
        random = SplitMix64(seed: seed)
        self.seconds = seconds
        let partitions = seconds > 60 ? 128 : 32
        // On a disk in memory, which root can make full; without its own file system there is no fault of that kind.
        let disk = geteuid() == 0 ? try SmallDisk(mebibytes: seconds > 60 ? 8192 : 512, user: "postgres") : nil
        self.disk = disk
        let postgres = try PostgresSandbox(settings: ["shared_buffers": "256MB", "max_wal_size": "4GB"])
        self.postgres = postgres
        let kafka = try KafkaSandboxProcess(topics: ["soak": partitions, "soak.events": 1])
        loaders = try LoaderRun(
            postgres: postgres, kafka: kafka, servers: kafka.bootstrapServers, topic: "soak",
            prepare: { postgres, database in
                guard let disk else { return }
                try postgres.query("CREATE TABLESPACE soak LOCATION '\(disk.path)'")
                try postgres.query("GRANT CREATE ON TABLESPACE soak TO tweets")
                try postgres.query("ALTER DATABASE \(database) SET default_tablespace = soak")
            })
        // What is published shall be loaded within a minute, so that the one rate is the other as well. The mock cluster
        // keeps 5 MiB a partition, as it came: what waits must be less, or its retention is a loss.
        feed = SoakFeed(
            try KafkaPublisher(bootstrapServers: kafka.bootstrapServers, compression: "lz4"),
            partitions: partitions, rate: rate,
            mostWaiting: min(rate * 60, (partitions * 3 << 20) / SoakFeed.recordBytes))
        try noteInsertions()
    }

    func end() {
        for fault in pending { try? fault.undo() }
        feed.end()
        postgres.destroy()
    }

    /// The ends of the loaders' logs.
    var logs: String { names.map { "\($0): \(loaders.logged($0).suffix(1500))" }.joined(separator: "\n") }

    /// One statement a batch, so that it costs little.
    private func noteInsertions() throws {
        try loaders.query("CREATE TABLE noted (id bigint)")
        try loaders.query("GRANT ALL ON noted TO tweets")
        try loaders.query(
            """
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO noted SELECT id FROM added; RETURN NULL; END'
            """)
        try loaders.query(
            """
            CREATE TRIGGER note AFTER INSERT ON tweets REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION note()
            """)
    }

    /// Runs the round to its end and judges.
    func run() throws -> Verdict {
        for name in names { try start(name) }
        let steady = loaders.loader("steady")?.processID
        let began = ContinuousClock.now
        try feed.start()
        try strike(until: began + .seconds(seconds))
        try postgres.start()
        for name in names where loaders.loader(name) == nil { try start(name) }
        verdict.perSecond = Double(feed.published) / ((ContinuousClock.now - began) / .seconds(1))
        verdict.waiting = feed.waiting
        feed.stop()
        let caughtUp = ContinuousClock.now
        // As much may wait as the feed lets wait: 300,000 records in the long round.
        verdict.isCaughtUp = loaders.wait(.seconds(max(180, seconds / 2))) {
            observe()
            return loaders.number("SELECT sum(next_offset)::bigint FROM loader_offsets") >= Int64(feed.records)
        }
        verdict.catchUp = ContinuousClock.now - caughtUp
        verdict.isSteady = loaders.loader("steady")?.processID == steady
        return try judge()
    }

    /// One fault after the other; all of them are over at the end.
    private func strike(until end: ContinuousClock.Instant) throws {
        var nextFault = ContinuousClock.now + .seconds(4)
        while ContinuousClock.now < end {
            observe()
            try undo { $0 <= .now }
            if ContinuousClock.now >= nextFault {
                try strike()
                nextFault =
                    .now + .milliseconds(Int64.random(in: seconds > 60 ? 2000...12_000 : 1000...4000, using: &random))
            }
            // The round lasts so long in any case; between faults the loaders shall have the processors.
            endure(.milliseconds(200))
        }
        try undo { _ in true }
    }

    private func start(_ name: String) throws {
        try loaders.start(name, ["--database-timeout", "5s"], environment: ["PAYLOAD": "drop"])
    }

    /// Takes note of memory, and tells the feed how far the loaders are.
    private func observe() {
        if postgres.isRunning {
            let settled = loaders.number("SELECT coalesce(sum(next_offset), 0)::bigint FROM loader_offsets")
            if settled >= 0 { feed.settled(Int(settled)) }
        }
        guard let steady = loaders.loader("steady"), let now = try? steady.memory("VmRSS") else { return }
        resident.append(now)
        verdict.peakRSS = (try? steady.memory("VmHWM")) ?? verdict.peakRSS
    }

    private func judge() throws -> Verdict {
        verdict.published = feed.published
        verdict.garbage = feed.garbage
        verdict.tweets = feed.published - feed.garbage
        verdict.records = feed.records
        func number(_ sql: String) -> Int { Int(loaders.number(sql)) }
        verdict.stored = number("SELECT count(*) FROM tweets")
        verdict.missing = number(
            """
            SELECT count(*) FROM generate_series(1::bigint, \(feed.published)) AS n
            WHERE n % \(SoakFeed.garbageEvery) <> 0 AND NOT EXISTS (SELECT FROM tweets t WHERE t.id = \(feed.firstID) + n)
            """)
        verdict.doubled = number("SELECT count(*) - count(DISTINCT id) FROM noted")
        verdict.rejects = number("SELECT count(DISTINCT seq) FROM rejects WHERE reason = 'not_json'")
        verdict.offsets = number("SELECT sum(next_offset)::bigint FROM loader_offsets")
        verdict.verify = (try? loaders.run(["verify"])) ?? "verify failed"
        let quarter = resident.count / 4
        verdict.earlyRSS = resident[quarter..<(2 * quarter)].min() ?? 0
        verdict.lastRSS = resident[(3 * quarter)...].min() ?? 0
        return verdict
    }
}

extension LoaderSoak {
    private func undo(_ isDue: (ContinuousClock.Instant) -> Bool) throws {
        let due = pending.filter { isDue($0.due) }
        pending.removeAll { isDue($0.due) }
        for fault in due { try fault.undo() }
    }

    private func later(_ milliseconds: ClosedRange<Int64>, _ undo: @escaping () throws -> Void) {
        pending.append((.now + .milliseconds(Int64.random(in: milliseconds, using: &random)), undo))
    }

    /// One fault, at random.
    private func strike() throws {
        let kinds = ["kill", "pause", "end", "add", "crash", "restart", "terminate", "lock", "fill"]
        let kind = kinds[Int.random(in: 0..<kinds.count, using: &random)]
        let name = names[Int.random(in: 0..<names.count, using: &random)]
        verdict.faults[kind, default: 0] += 1
        print("loader soak: \(Timestamp.now()) \(kind) \(["kill", "pause", "end"].contains(kind) ? name : "")")
        switch kind {
        case "kill" where name != "steady":
            loaders.loader(name)?.kill()
            later(0...4000) { [self] in if loaders.loader(name) == nil { try start(name) } }
        case "end" where name != "steady":
            _ = loaders.end(name)
            later(0...4000) { [self] in if loaders.loader(name) == nil { try start(name) } }
        case "kill", "end", "pause":
            loaders.loader(name)?.send(SIGSTOP)
            later(1000...12_000) { [self] in loaders.loader(name)?.send(SIGCONT) }
        case "add":
            names = names.count < 4 ? names + [["c", "d"][names.count - 2]] : Array(names.prefix(2))
            for gone in ["c", "d"] where !names.contains(gone) {
                loaders.loader(gone)?.send(SIGCONT)
                _ = loaders.end(gone)
            }
            for new in names where loaders.loader(new) == nil { try start(new) }
        case "crash", "restart":
            postgres.stop(kind == "crash" ? .immediate : .fast)
            later(0...5000) { [self] in try restart() }
        default: try strikeDatabase(kind)
        }
    }

    /// Starts PostgreSQL; one that cannot recover, because the disk is full, once there is room.
    private func restart() throws {
        do { try postgres.start() } catch {
            print("loader soak: \(Timestamp.now()) room, so that PostgreSQL can start")
            disk?.empty()
            try postgres.start()
        }
    }

    private func strikeDatabase(_ kind: String) throws {
        guard postgres.isRunning else { return }
        switch kind {
        case "terminate": _ = try? loaders.terminateSessions()
        case "lock":
            guard let session = try? LockSession(loaders) else { return }
            later(1000...8000) { session.end() }
        default:
            disk?.fill()
            later(1000...6000) { [self] in disk?.empty() }
        }
    }
}

/// A session that locks the tweets until it is ended.
private final class LockSession {
    private var connection: PostgresConnection?

    init(_ loaders: LoaderRun) throws {
        connection = try loaders.session(
            "SET LOCAL lock_timeout = '2s'; LOCK TABLE tweets IN ACCESS EXCLUSIVE MODE")
    }

    func end() {
        connection = nil
    }
}
