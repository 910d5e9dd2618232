import Core
import Testing
import TweetFormat

@testable import TweetProducer
@testable import XAPI

/// What the producer counts by label.
@Suite(.timeLimit(.minutes(5))) struct StreamMetricsTests {
    @Test func everyCauseHasASeries() {
        let causes = [
            "closed": "closed", "reset": "reset", "stall": "stall", "timeout": "timeout", "control": "control",
            "disk_full": "disk", "journal_full": "disk", "disk_error": "disk", "post_limit": "post_limit",
            "standby": "standby", "stop": "stop", "encoding": "other", "curl_61": "other",
        ]
        for (cause, label) in causes {
            #expect(DisconnectCause(cause).rawValue == label && GapCause(cause).rawValue == label)
        }
        #expect(GapCause("crash") == .crash && DisconnectCause("crash") == .other)
    }

    @Test func labelsAreThoseOfTheTypesThatTheyStandFor() {
        #expect(RepairMethodLabel.allCases.map(\.rawValue) == RepairMethod.allCases.map(\.rawValue))
        #expect(RuleDifferenceLabel.allCases.map(\.rawValue) == RuleDifference.allCases.map(\.rawValue))
    }

    @Test func theBudgetRegainsWhatHasLeftTheWindow() {
        let now = Timestamp.now()
        var window = ConnectWindow(limit: 3)
        #expect(window.remaining(at: now) == 3)
        for _ in 0..<3 { window.recordAttempt(at: now) }
        #expect(window.remaining(at: now) == 0)
        #expect(window.remaining(at: now.advanced(by: ConnectWindow.window + .seconds(1))) == 3)
        let older = ConnectWindow(limit: 1, attempts: [now, now])
        #expect(older.remaining(at: now) == 0)
    }
}
