import ArgumentParser
import Core
import Glibc
import Operations
import Postgres

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Watch both services on a terminal: rates, ages, partitions, rules, gaps and money.",
        discussion: """
            Asks the services for /status (--producer-url, --loader-url) and PostgreSQL (DATABASE_URL, when it is set). \
            When no producer or no loader answers, its facts are those that PostgreSQL has: heartbeats, offsets, gaps. The \
            second line says who answers. AGE is that of the oldest message that is pending; `?` is not known, 0 is 0.

              tweet-loader top
              tweet-loader top --once
              tweet-loader top --json | jq .loading
              ssh -NL 9464:localhost:9464 -L 9465:localhost:9465 pipeline.example & tweet-loader top

            Keys: q quits, p pauses, Tab or 1 to 5 show another table, s and the arrows order and scroll it, + and - change \
            the interval, ? lists all keys. Ctrl-Z stops it, fg continues. Without a terminal, and with --once or --json, \
            it looks twice, one interval apart, prints what it found, and ends.

            Exit status: 0 done, 64 usage, 69 nobody answers, 78 invalid settings.
            """)

    @OptionGroup(title: "Watching") var watch: SettingFlags<WatchSettings>
    @OptionGroup var base: DatabaseCommandOptions

    @Option(help: ArgumentHelp("Ask every <time>: 500ms to 60s.", valueName: "time"))
    var interval = "1s"

    @Flag(help: "Print one look and end.")
    var once = false

    func validate() throws {
        guard let found = Duration(setting: interval), found >= .milliseconds(500), found <= .seconds(60) else {
            throw ValidationError("--interval: '\(interval)' is not a time from 500ms to 60s")
        }
    }

    func run() throws {
        try runCommand {
            let questions = try questions()
            let interval = Duration(setting: interval) ?? .seconds(1)
            var memory = TopMemory()
            if !once, !base.output.json, let terminal = ScreenTerminal() {
                try show(on: terminal, questions, interval)
            }
            _ = try Self.look(questions, &memory)
            usleep(UInt32(clamping: interval.milliseconds * 1000))
            base.output.show(try Self.look(questions, &memory))
        }
    }

    private func questions() throws -> TopQuestions {
        try base.read(flags: watch.values) { reader in
            let services = WatchedServices.read(&reader)
            let database = try DatabaseSettings.isSet(reader) ? DatabaseSettings.conninfo(&reader) : nil
            if services.producers.isEmpty, services.loaders.isEmpty, database == nil {
                reader.addMistake(
                    "there is nobody to ask: set \(WatchSettings.producers.title), \(WatchSettings.loaders.title) or"
                        + " \(PostgresConninfo.setting.title)")
            }
            return TopQuestions(services: services, database: database)
        }
    }

    /// Ends the process.
    private func show(on terminal: consuming ScreenTerminal, _ questions: TopQuestions, _ interval: Duration) throws {
        let signals = try TopSignals()
        var memory = TopMemory()
        let looks = questions.ask()
        try Self.check(memory.facts(looks, at: .now()))
        let sources = TopSources(questions, looks: looks, interval: interval) { signals.notify() }
        TopThreads.start([signals.wait] + sources.loops)
        var session = TopSession(terminal, signals, sources, memory, interval: interval)
        session.run()
        // A source that hangs must not keep the shell waiting: the threads end with the process.
        Glibc.exit(ExitStatus.done.rawValue)
    }

    private static func look(_ questions: TopQuestions, _ memory: inout TopMemory) throws -> TopFacts {
        let facts = memory.facts(questions.ask(), at: .now())
        try check(facts)
        return facts
    }

    /// - Throws: `Failure` (69) when nobody answers.
    private static func check(_ facts: TopFacts) throws {
        guard facts.isEmpty else { return }
        let reasons = facts.sources.map { "\($0.service): \($0.problem ?? "no answer")" }
        throw Failure(.unavailable, "nobody answers\n\(reasons.joined(separator: "\n"))")
    }
}
