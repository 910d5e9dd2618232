import Core
import Foundation
import Glibc
import Harness
import Sandbox
import TestSupport
import Testing

/// F43: somebody sets the wall clock. The services run with a wall clock of their own (`clock.c`); the simulator keeps its own.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .disabled(if: isThreadSanitized, "the clock's library and the sanitizer's both want to be first"))
struct ClockFaultTests {
    /// An hour ahead, an hour behind, and from one to the other while there is no connection.
    @Test func f43StepsOfTheClockAreNoTimeThatPasses() async throws {
        let clock = try ServiceClock()
        let settings = clock.settings.merging(["X_STALL_TIMEOUT": "5s", "X_BACKOFF_SCALE": "0.1"]) { $1 }
        try await PipelineRun.with(settings, losesWhileAway: true) { run in
            try await run.expectLines(50)
            for step in [3600, -3600, 3600] {
                try clock.set(step)
                try await run.expectLines(100)
                try await expectNoNegativeAge(run)
            }
            #expect(run.x.connections.count == 1, "nothing has timed out")
            #expect(try run.status().segments == 1, "an hour of the wall clock is not the age of a segment")
            run.x.inject(Fault(.refuse, count: 2, endpoint: "stream", answer: .serverError(503)))
            run.x.inject(Fault(.close))
            try await run.expect("a refusal") { run.x.refusals[503] ?? 0 > 0 }
            try clock.set(-3600)
            try await run.expect("the stream again") {
                run.x.connections.count == 2 && (run.x.connections.last?.written.count ?? 0) > 20
            }
            #expect(run.x.attempts.count == 4)
            try await run.expectConserved()
            let gaps = "SELECT count(*), bool_and(ended_at >= started_at) FROM stream_gaps"
            try await run.expect(gaps, ["1|t"])
            #expect(run.lines("\"level\":\"error\"").isEmpty)
        }
    }

    /// What the loader tells of its age and lag, while messages bear times of the future.
    private func expectNoNegativeAge(_ run: PipelineRun) async throws {
        let status = try await blocking { try run.pipeline.run(.loader, ["status", "--json"]) }
        #expect(status.contains("\"lag\"") && !status.contains(":-"), "\(status)")
    }

    /// The budget's window ends a quarter of an hour from now, not from the times of a clock that ran ahead.
    @Test func f43AClockThatIsSetBackDoesNotLengthenTheConnectBudget() async throws {
        let clock = try ServiceClock()
        try await PipelineRun.with(
            clock.settings.merging(["X_CONNECT_BUDGET": "2"]) { $1 }, x: { $0.redelivery = .seconds(60) },
            startsProducer: false
        ) { run in
            try clock.set(3600)
            for count in 1...2 {
                try run.pipeline.start(.producer)
                try await run.expect("a connection") { run.x.connections.count == count }
                try await run.killProducer()
            }
            try clock.set(0)
            try run.pipeline.start(.producer)
            try await run.expect("a refusal of our own") {
                !run.lines("the connect budget is used up; waiting").isEmpty
            }
            let folder = run.pipeline.journalFolder + "/.x"
            let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
            let ledger = try readTextFile(folder + "/" + name)
            let attempts = try #require(ledger.split(separator: "\"attempts\":[").last?.prefix { $0 != "]" })
            let now = Timestamp.now().milliseconds
            #expect(attempts.split(separator: ",").compactMap { Int64($0) }.allSatisfy { $0 <= now }, "\(ledger)")
            #expect(run.x.attempts.count == 2)
        }
    }
}
