import ArgumentParser
import Core

/// `sandbox x`: the simulator in the foreground.
struct XCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "x",
        abstract: "X's filtered stream in the foreground, with faults on demand.",
        discussion: """
            Serves GET /2/tweets/search/stream, the sample streams and the rules endpoints on 127.0.0.1 as X does \
            (bodies, headers, status codes, keep-alives, limits), with made-up tweets or the lines of files, and prints \
            what to export.

              sandbox x --rate 250
              export X_URL=… X_BEARER_TOKEN=…       (the lines it prints, in another terminal)
              tweet-producer rules add 'coffee' --tag coffee
              tweet-producer run

            Rules are not evaluated by X's grammar: a made-up tweet matches a rule when one of its words is in the \
            text, or one of its #hashtags, $cashtags or lang: is the tweet's; a tweet that matches none is given to \
            one of the rules in turn. Lines of files are sent as they are.

            What can go wrong is asked for over HTTP (curl $X_URL/sandbox lists everything):

              curl $X_URL/sandbox/faults -d '{"type":"reset","after":100}'
              curl $X_URL/sandbox/faults -d '{"type":"refuse","answer":"rate-limit","count":3}'
              curl $X_URL/sandbox -d '{"advance":"20m"}'
              curl $X_URL/sandbox/record

            or written down in a file, with the time or the number of lines when it is to happen:

              steps:
              - after_lines: 500
                do: {fault: {type: reset}, linger: 5m}
              - at: 10m
                do: {rules: {add: [{value: tea, tag: drinks}]}}

            Users with home timelines, for tweet-timelines:

              sandbox x --users 20
              tweet-timelines accounts add < tokens.jsonl

            docs/simulator.md describes every endpoint, fault and change.
            """
    )

    @Option(help: ArgumentHelp("A file with one JSON object a line to send (repeatable).", valueName: "file"))
    var input: [String] = []

    @Option(help: "Seed of the generated tweets: the same seed gives the same tweets.")
    var seed: UInt64 = 1

    @Option(help: "Number of generated tweets; default no limit.")
    var count: Int64?

    @Option(help: "Lines a second; 0: as fast as the client reads.")
    var rate = 50.0

    @Flag(help: "Drop lines that are due while no client is connected, as X does.")
    var loses = false

    @Option(help: ArgumentHelp("Begin again so far back on reconnect, as X's backfill.", valueName: "seconds"))
    var redelivery = 0

    @Option(help: ArgumentHelp("Time between keep-alives.", valueName: "seconds"))
    var keepAlive = 20

    @Option(help: "The port; 0 any free one.")
    var port = 0

    @Option(help: "The bearer token to ask for.")
    var token = "sandbox-token"

    @Option(name: .customLong("rule"), help: "A rule to begin with (repeatable).")
    var rules: [String] = []

    @Option(help: ArgumentHelp("What is to happen by itself, and when (YAML or JSON).", valueName: "file"))
    var scenario: String?

    @Option(help: ArgumentHelp("https as well, with this certificate: \(Self.certificates).", valueName: "kind"))
    var certificate: String?

    @Option(help: ArgumentHelp("Begin so far in the past, such as 20m; `advance` catches up.", valueName: "time"))
    var behind: String?

    @Option(help: ArgumentHelp("How long an ended connection counts as open, such as 5m.", valueName: "time"))
    var linger: String?

    @Option(help: "Connections to the stream at a time.")
    var connections = 1

    @Flag(help: "A connection beyond the limit closes the oldest one.")
    var displaces = false

    @Flag(help: "No backfill and no recovery.")
    var selfServe = false

    @Option(help: "Users with home timelines, which get posts every second; their tokens go to --tokens.")
    var users = 0

    @Option(
        help: ArgumentHelp("File for the tokens of --users, as `accounts add` reads them.", valueName: "file"))
    var tokens = "tokens.jsonl"

    @Flag(help: "Accept more than 50 connects in 15 minutes.")
    var noRateLimits = false

    func run() throws {
        try runCommand {
            let simulator = XSimulator(try settings())
            simulator.addRules(rules.map { ($0, $0) })
            try blocking { try await simulator.start() }
            say("export X_URL='\(simulator.url)'")
            if let file = simulator.caFile { say("export X_CA_FILE='\(file)'") }
            say("export X_BEARER_TOKEN='\(simulator.bearerToken)'")
            let feed = try UserFeed(simulator, users: users, file: tokens)
            feed?.instructions.forEach { say($0) }
            say("# faults and record: curl \(simulator.plainURL)/sandbox; Ctrl-C ends it")
            waitForEnd()
            feed?.end()
            try blocking { await simulator.stop() }
        }
    }

    private func settings() throws(Failure) -> XSimulator.Configuration {
        var configuration = XSimulator.Configuration()
        configuration.feed = input.isEmpty ? .generator(seed: seed, count: count) : try .files(input)
        configuration.rate = rate > 0 ? rate : nil
        configuration.losesWhileAway = loses
        configuration.redelivery = .seconds(redelivery)
        configuration.keepAlive = .seconds(max(1, keepAlive))
        configuration.bearerToken = token
        configuration.enforcesRateLimits = !noRateLimits
        configuration.port = port
        configuration.connectionLimit = max(1, connections)
        configuration.displacesConnections = displaces
        configuration.isEnterprise = !selfServe
        configuration.linger = try duration(linger, of: "linger")
        configuration.clockOffset = .zero - (try duration(behind, of: "behind"))
        if let scenario { configuration.scenario = try Scenario(path: scenario) }
        if let certificate {
            guard let kind = CertificateKind(rawValue: certificate) else {
                throw Failure(.usage, "--certificate: '\(certificate)' is not one of \(Self.certificates)")
            }
            configuration.certificate = kind
        }
        return configuration
    }

    private static let certificates = CertificateKind.allCases.map(\.rawValue).joined(separator: ", ")

    private func duration(_ text: String?, of option: String) throws(Failure) -> Duration {
        guard let text else { return .zero }
        if let duration = Duration(setting: text) { return duration }
        throw Failure(.usage, "--\(option): '\(text)' is not a time such as 30s, 5m or 2h")
    }
}
