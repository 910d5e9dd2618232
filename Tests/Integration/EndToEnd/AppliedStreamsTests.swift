import Core
import Harness
import Sandbox
import TestSupport
import Testing
import XAPI

/// What commands and the producer did to a stream is in the database, beside what the stream has brought.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct AppliedStreamsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Declares the run's stream with further settings, and lets `streams apply` write its settings file.
    private func apply(_ run: PipelineRun, _ more: String = "") async throws {
        let settings = """
            journal_dir: '\(run.pipeline.journalFolder)', kafka_bootstrap_servers: '\(run.pipeline.bootstrapServers)'\(more)
            """
        try folder.write(run.pipeline.environment["X_BEARER_TOKEN"].map { "\($0)\n" } ?? "", to: "token")
        try folder.write(
            "streams: [{ name: default, token_file: token, settings: { \(settings) } }]\n", to: "streams.yaml")
        let command = [
            "streams", "apply", "--yes", "--file", folder.path + "/streams.yaml", "--dir", folder.path + "/settings",
            "--supervisor", "none", "--supervisor-user", "root",
        ]
        _ = try await blocking { try run.pipeline.run(.producer, command) }
    }

    /// The environment counts before the settings file, which so only says what `apply` made of the stream, and has its token.
    private func start(_ run: PipelineRun) throws {
        try run.pipeline.start(
            .producer,
            settings: ["TWEET_PIPELINE_CONFIG": folder.path + "/settings/default.yaml", "X_BEARER_TOKEN": nil])
    }

    @Test func whatStreamsApplyDidIsInTheDatabase() async throws {
        let changes = "SELECT action, settings FROM stream_changes ORDER BY at"
        try await PipelineRun.with(startsProducer: false) { run in
            try await apply(run)
            try start(run)
            try await run.expect(changes, ["started|"])
            try await run.killProducer()
            try start(run)
            try await run.expectLines(50)
            try await run.expect(changes, ["started|"])
            _ = try await blocking { run.pipeline.end(.producer) }
            try await apply(run, ", batch_size: 50")
            try start(run)
            try await run.expect(changes, ["started|", "changed|batch_size"])
            // As `apply` notes it before the supervisor ends the process.
            try folder.write("removed\n", to: "settings/default.stop")
            _ = try await blocking { run.pipeline.end(.producer) }
            try await run.expect(changes, ["started|", "changed|batch_size", "removed|"])
            #expect(
                try await run.query(
                    """
                    SELECT count(DISTINCT coalesce(settings_after, settings_before)) = 2
                        AND bool_and(coalesce(settings_after, settings_before) ~ '^[0-9a-f]{16}$') FROM stream_changes
                    """) == "t")
            try start(run)
            try await run.expectConserved()
        }
    }

    /// The list of yesterday is read again by the producer that runs, and the rules follow on the same connection.
    @Test func theAccountsThatAFilterFollowsAreKeptUpToDate() async throws {
        try folder.write("- filter: stock\n  following: '@abe'\n", to: "rules.yaml")
        let settings = ["X_RULES_FILE": folder.path + "/rules.yaml", "X_RULES_CHECK": "10s"]
        try await PipelineRun.with(settings, rules: [], startsProducer: false) { run in
            run.x.setAccount("42", name: "Abe", following: ["7", "8"])
            run.x.replaceRules([("from:7", "stock")])
            let yesterday = Timestamp.now().advanced(by: .seconds(-86_400))
            let files = FollowingFiles(journalFolder: run.pipeline.journalFolder)
            try files.prepare()
            try files.keep(FollowingList(account: "abe", id: "42", readAt: yesterday, accounts: ["7"]))
            try run.pipeline.start(.producer)
            let rules = "SELECT value, seen_until IS NULL FROM rules ORDER BY value"
            try await run.expect(rules, ["from:7|f", "from:7 OR from:8|t"])
            #expect(run.x.usersRead == 3 && run.x.connections.count == 1)
            #expect(run.lines("\"accounts\":2", "read the accounts that a filter follows again", "$0.03").count == 1)
        }
    }
}
