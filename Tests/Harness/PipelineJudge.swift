import Sandbox
import TestSupport
import Testing

extension PipelineRun {
    /// The quiet phase: faults end, a fresh tweet arrives in time, the feed stops, and the judge finds nothing wrong.
    @discardableResult
    package func expectConserved(at location: SourceLocation = #_sourceLocation) async throws -> PipelineOutcome {
        x.clearFaults()
        let fresh = x.issuedCount
        try await expect("the stream goes on", at: location) {
            x.connections.contains { $0.written.contains { $0.index >= fresh && x.id(ofLine: $0.index) != nil } }
        }
        let written = try #require(
            x.connections.flatMap(\.written).first { $0.index >= fresh && x.id(ofLine: $0.index) != nil },
            sourceLocation: location)
        let id = try #require(x.id(ofLine: written.index))
        try await expect("a fresh tweet is stored", at: location) {
            try await query("SELECT 1 FROM tweets WHERE id = \(id)") == "1"
        }
        x.stopFeed()
        return try await judged(at: location)
    }

    /// Waits until the judge finds nothing wrong with what X has written so far: each line is stored once, or rejected, or
    /// lies in a declared gap, and the ledger reports nothing as missing.
    @discardableResult
    package func judged(at location: SourceLocation = #_sourceLocation) async throws -> PipelineOutcome {
        var found: PipelineOutcome?
        var ledger = ""
        _ = try? await holds {
            let outcome = try await blocking { try pipeline.outcome() }
            found = outcome
            guard outcome.verdict.isClean else { return false }
            ledger = try await blocking { try pipeline.run(.loader, ["verify"]) }
            return ledger.contains("none missing")
        }
        let outcome = try #require(found, "PostgreSQL does not answer; \(details)", sourceLocation: location)
        let verdict = outcome.verdict
        #expect(verdict.missing.isEmpty, "missing; \(details)", sourceLocation: location)
        #expect(verdict.undeclared.isEmpty, "undeclared; \(details)", sourceLocation: location)
        #expect(verdict.doubled.isEmpty && verdict.strangers.isEmpty, sourceLocation: location)
        #expect(verdict.received > 0, "nothing was sent, so this shows nothing", sourceLocation: location)
        #expect(ledger.contains("none missing"), "the ledger has holes; \(details)", sourceLocation: location)
        return outcome
    }
}
