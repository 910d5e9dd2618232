import ArgumentParser
import Core
import Journal

extension StreamsCommand {
    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the state of every stream: its process and its data.",
            discussion: """
                A process that runs is not healthy by that alone. A stream is healthy when it is connected, X has sent \
                something within the last minute, the journal takes it, and no change is pending; a passive standby is \
                healthy, too. It only reads, also beside running streams.

                  tweet-producer streams status
                  tweet-producer streams status --json | jq '.streams[] | select(.is_healthy | not)'

                Exit status: 0 done, 1 with --check when a stream is not healthy, 69 the supervisor is unreachable, \
                78 errors in the form of the file, or in the settings.
                """)

        @OptionGroup var options: Options
        @OptionGroup var output: OutputOptions

        @Flag(help: "Exit with 1 when a stream is not healthy.")
        var check = false

        func run() throws {
            var isHealthy = true
            try runCommand {
                let settings = try options.read()
                let file = try StreamsFile.read(settings.file)
                let looks = StreamLooks(file, try Fleet(settings))
                let view = StreamsStatusView(looks.streams, now: .now())
                output.show(view)
                isHealthy = view.isHealthy
                try file.requireForm()
                if let obstacle = looks.obstacle { throw obstacle }
            }
            if check, !isHealthy { throw ExitCode(1) }
        }
    }
}

/// What is known of the streams of a file, and of others that `streams apply` has left.
struct StreamLooks {
    let streams: [(name: String, look: StreamLook)]
    /// Why the supervisor or the files of a stream could not be read; what else is known is in `streams`.
    private(set) var obstacle: StreamsError?

    init(_ file: StreamsFile, _ fleet: Fleet) {
        let names = file.active.map(\.name)
        let application = fleet.application
        var (actual, pending): ([String: ActualStream], Set<String>) = ([:], [])
        var isSupervised = application.supervisor.isSupervising
        do throws(StreamsError) {
            actual = try application.files.look(at: names)
            actual = try application.supervised(actual, names)
            let wanted = try fleet.desired(file).map {
                DesiredStream(settings: $0, definition: application.supervisor.definition(of: $0))
            }
            let plan = StreamsPlan(wanted, actual: actual, isSupervised: isSupervised)
            // `streams apply` changes nothing while the file has errors.
            if file.isWellFormed { pending = Set(plan.changes.map(\.stream)) }
        } catch {
            // Without the supervisor's word the journals still say who writes them.
            (obstacle, isSupervised) = (error, false)
        }
        let declared = Dictionary(file.streams.map { ($0.name, $0) }) { first, _ in first }
        let others = actual.keys.filter { declared[$0] == nil }.sorted()
        streams = (file.streams.map(\.name) + others).map { name in
            let found = actual[name] ?? ActualStream()
            var look = StreamLook(isSupervised: isSupervised, isPending: pending.contains(name))
            look.declared = declared[name]
            look.settings = found.settings.flatMap { StreamSettingsFile(text: $0) }
            look.process = found.process ?? found.former?.process
            look.readJournal()
            return (name, look)
        }
    }
}

extension StreamLook {
    /// Reads what the stream's folder in the journal says; the settings that it runs with count.
    fileprivate mutating func readJournal() {
        guard let path = settings?.journal ?? declared?.journal, let slash = path.lastIndex(of: "/") else { return }
        let stream = String(path[path.index(after: slash)...])
        journal = try? JournalStatus(folder: String(path[..<slash]), stream: stream, quota: nil)
        facts = StreamFacts.read(path)
    }
}

/// The state of streams.
struct StreamsStatusView: Report {
    /// One stream.
    struct Row: Encodable {
        let stream: String
        let kind: String?
        let isActive: Bool
        let isHealthy: Bool
        let state: StreamHealth.State
        let reason: String?
        /// Of a producer that shares the stream with others (`STANDBY`); nil for one that is alone or does not run.
        let role: StreamFacts.Role?
        /// The supervisor's word.
        let process: String?
        let pid: Int32?
        let connectedSince: String?
        let lastByteAt: String?
        let lastPostAt: String?
        let postsPerMinute: Int64?
        /// Lines that Kafka has not acknowledged.
        let backlog: Int64?
        let journal: String?
        /// Where it answers HTTP requests; nil for nowhere.
        let listen: String?

        /// For the table; a passive producer's state is its role.
        fileprivate var data: String { state.rawValue + (role == .active ? ", active" : "") }

        init(_ name: String, _ look: StreamLook, now: Timestamp) {
            let health = StreamHealth(look, now: now)
            (stream, kind, isActive) = (name, look.declared?.kind.rawValue, look.declared?.isActive ?? false)
            (isHealthy, state, reason) = (health.isHealthy, health.state, health.reason)
            process = look.process?.word
            let writer = look.journal?.process.flatMap { $0.split(separator: " ").dropFirst().first }
            pid = look.process?.pid ?? writer.flatMap { Int32($0) }
            let facts = writer == nil ? nil : look.facts
            role = facts?.role
            func text(_ time: Int64?) -> String? { time.map { Timestamp(milliseconds: $0).description } }
            connectedSince = health.state == .connected ? text(facts?.since) : nil
            (lastByteAt, lastPostAt) = (text(look.facts?.lastByteAt), text(look.facts?.lastPostAt))
            postsPerMinute = facts?.postsLastMinute
            backlog = look.journal?.unacknowledged
            journal = look.journal?.folder ?? look.declared?.journal
            listen = look.settings?.listen
        }
    }

    let streams: [Row]
    private let now: Timestamp

    private enum CodingKeys: CodingKey {
        case streams
    }

    /// Whether every stream is healthy.
    var isHealthy: Bool { streams.allSatisfy(\.isHealthy) }

    /// - Parameters:
    ///   - streams: in the order in which they are shown.
    ///   - now: the time.
    init(_ streams: [(name: String, look: StreamLook)], now: Timestamp) {
        self.streams = streams.map { Row($0.name, $0.look, now: now) }
        self.now = now
    }

    func text(on terminal: Terminal?) -> String {
        if streams.isEmpty { return "no streams" }
        func age(_ time: String?) -> String {
            time.flatMap { Timestamp($0) }.map { shortAge(max(0, (now.milliseconds - $0.milliseconds) / 1000)) } ?? "-"
        }
        let rows = streams.map { row in
            [
                row.stream, row.isHealthy ? (row.isActive ? "ok" : "-") : "BAD", row.process ?? "-", row.data,
                age(row.connectedSince), age(row.lastByteAt), age(row.lastPostAt),
                row.postsPerMinute.map { "\($0)" } ?? "-", row.backlog.map { "\($0)" } ?? "-", (row.reason ?? "").plain,
            ]
        }
        return FittingTable(
            header: [
                "STREAM", "HEALTH", "PROCESS", "DATA", "SINCE", "LAST BYTE", "LAST POST", "POSTS/MIN", "BACKLOG", "WHY",
            ], rows: rows, dispensable: [4, 8, 6]
        ).text(on: terminal)
    }
}
