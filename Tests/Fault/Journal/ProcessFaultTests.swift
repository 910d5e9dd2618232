import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F34, F35, F41, F42, F44: what happens to the producer as a process.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ProcessFaultTests {
    private static let environment = ProcessInfo.processInfo.environment

    /// X has cut meanwhile, as it does with whoever does not read. `make soak` stops for longer than any time-out.
    @Test func f34AProducerThatWasStoppedReconnectsOnceAndDeclaresTheGap() async throws {
        let pause = Self.environment["PRODUCER_PAUSE_SECONDS"].flatMap { Double($0) } ?? 3
        let settings = ["X_STALL_TIMEOUT": "2s"]
        try await PipelineRun.with(settings, losesWhileAway: true) { run in
            try await run.expectLines(100)
            let process = try run.producer
            process.send(SIGSTOP)
            run.x.inject(Fault(.close))
            try await run.expect("X has cut") { run.x.connections.first?.endedAt != nil }
            let cut = try #require(run.x.connections.first?.endedAt)
            // The fault is a length of time: longer than the stall time-out.
            try await endure(.seconds(pause))
            let attempts = run.x.attempts.count
            process.send(SIGCONT)
            try await run.expect("the stream goes on") {
                run.x.connections.count > 1 && (run.x.connections.last?.written.count ?? 0) > 50
            }
            #expect(run.x.attempts.count == attempts + 1, "one connection, not a storm of them")
            #expect(process.exit == nil && run.lines("\"level\":\"error\"").isEmpty)
            try await run.expectConserved()
            // From the newest post on: what waited in the socket was received only when it went on.
            let length =
                "SELECT count(*), bool_and(ended_at - tweet_time(newest_id) >= interval '\(pause) s') FROM stream_gaps"
            try await run.expect(length, ["1|t"])
            let again = try #require(run.x.connections.last?.startedAt)
            #expect(again.milliseconds - cut.milliseconds >= Int64(pause * 1000))
        }
    }

    /// Fifty starts, each killed at its first connection or refusal: the budget is that of all of them together.
    @Test func f35ACrashLoopStaysWithinTheConnectBudget() async throws {
        try await PipelineRun.with(["X_CONNECT_BUDGET": "12"], losesWhileAway: true, startsProducer: false) { run in
            for _ in 1...50 {
                let (before, told) = (run.x.attempts.count, run.lines("the connect budget is used up; waiting").count)
                try run.pipeline.start(.producer)
                try await run.expect("an attempt, or none left") {
                    run.x.attempts.count > before || run.lines("the connect budget is used up; waiting").count > told
                }
                try await run.killProducer()
            }
            #expect(run.x.attempts.count == 12)
            #expect(run.lines("the connect budget is used up; waiting").count == 38)
            // The window is over when its times are gone; the journal has outlived the loop.
            let ledger = run.pipeline.journalFolder + "/.x"
            for file in try FileManager.default.contentsOfDirectory(atPath: ledger) {
                try FileManager.default.removeItem(atPath: ledger + "/" + file)
            }
            try run.pipeline.start(.producer)
            try await run.expectConserved()
        }
    }

    /// A service that cannot start asks nobody for anything, however often it is started, and says what is wrong.
    @Test func f35WrongSettingsEndFiftyStartsBeforeAnyConnection() async throws {
        try await PipelineRun.with { run in
            try await run.expectLines(50)
            #expect(run.pipeline.end(.producer) == .status(0))
            let (attempts, before) = (run.x.attempts.count, try run.status())
            for round in 1...50 {
                let wrong = [["BATCH_SIZE": "many"], ["STREAM_NAME": "a/b"], ["X_BEARER_TOKEN": nil]][round % 3]
                try run.pipeline.start(.producer, settings: wrong)
                let process = try run.producer
                try await run.expect("an end") { process.exit != nil }
                #expect(process.exit == .status(78))
            }
            #expect(run.log.contains("BATCH_SIZE") && run.log.contains("STREAM_NAME"))
            #expect(run.x.attempts.count == attempts)
            #expect(try run.status() == before)
            try run.pipeline.start(.producer)
            try await run.expectConserved()
        }
    }

    /// With Kafka away, what grows is the journal, so that it lives with little.
    @Test(.disabled(if: isSanitized, "a sanitizer maps more than any limit"))
    func f41WithLittleMemoryItWorksWithAndWithoutKafka() async throws {
        // A quarter of what comes; the usual bound of 16 MiB takes more lines than a test wants to wait for.
        let little = ["queue.buffering.max.kbytes": "2048"]
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        try await PipelineRun.with(properties: little, servers: front.servers, startsProducer: false) { run in
            // Debug builds and their libraries take 250 MB of it before anything happens.
            try run.pipeline.start(.producer, under: ["/usr/bin/prlimit", "--as=\(400 << 20)"])
            try await run.expectLines(50)
            front.bytesPerSecond = 1
            run.x.setRate(3000)
            try await run.expectLines(4000)
            let process = try run.producer
            #expect(try process.exit == nil && process.memory("VmHWM") < 128 << 20)
            run.x.setRate(100)
            front.bytesPerSecond = nil
            front.cut()
            try await run.expectConserved()
            #expect(process.exit == nil && run.x.connections.count == 1)
        }
    }

    /// Where even that is not there, it dies, and the next one goes on.
    @Test(.disabled(if: isSanitized, "a sanitizer maps more than any limit"))
    func f41WithoutMemoryItDiesAndNothingIsLost() async throws {
        let front = try KafkaFront(PipelineRun.kafka.get().bootstrapServers)
        let redelivers: (inout XSimulator.Configuration) -> Void = { $0.redelivery = .seconds(60) }
        // It can live within what it usually bounds its queue to.
        let much = ["queue.buffering.max.kbytes": "1048576"]
        let long = ["X_LINE_LIMIT": "256MiB"]
        try await PipelineRun.with(long, properties: much, servers: front.servers, x: redelivers) { run in
            try await run.expectLines(50)
            let process = try run.producer
            // RLIMIT_AS alone would leave it what malloc has reserved and not used yet.
            // Nothing more at all: it hands little to librdkafka while Kafka is slow, and so needs little more.
            try process.limit("--as=\(process.memory("VmSize"))", "--data=\(process.memory("VmData"))")
            front.bytesPerSecond = 1
            run.x.setRate(3000)
            // A line that does not end is kept up to X_LINE_LIMIT, which is more than it has.
            run.x.inject(Fault(.endless, bytes: 200 << 20))
            try await run.expect("its death") { process.exit != nil }
            #expect(process.exit != .status(0))
            run.x.setRate(100)
            front.bytesPerSecond = nil
            front.cut()
            try run.pipeline.start(.producer)
            try await run.expectConserved()
        }
    }

    /// A new segment needs two descriptors, which are not there: lines go on into the old one, until they are.
    @Test func f42WithoutDescriptorsTheStreamGoesOn() async throws {
        let tight = ["/usr/bin/prlimit", "--nofile=32:64"]
        try await PipelineRun.with(startsProducer: false) { run in
            try run.pipeline.start(.producer, under: tight)
            try await run.expectLines(50)
            try await run.expect("acknowledged lines") { try run.status().checkpoint > 50 }
            let process = try run.producer
            try process.limit("--nofile=3:64")
            process.send(SIGHUP)
            try await run.expect("a report") { !run.lines("Too many open files").isEmpty }
            try await run.expectLines(200)
            #expect(run.x.connections.count == 1 && process.exit == nil)
            #expect(try run.status().segments == 1)
            try process.limit("--nofile=64:64")
            try await run.expect("a new segment") { try run.status().archived.segments >= 1 }
            try await run.expectConserved()
            #expect(run.x.connections.count == 1)
            #expect(run.pipeline.end(.producer) == .status(0))
        }
    }
}
