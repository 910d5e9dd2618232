import TestSupport
import Testing

@testable import Harness

/// What the tests' own servers promise to the tests.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct HarnessTests {
    /// Dropped before the thread has begun, too: that crashed the tests.
    @Test func aProxyEndsWithItsOwner() throws {
        var closed = 0
        for _ in 0..<20 {
            let ports = [try KafkaFront("127.0.0.1:1").port, try PostgresProxy(to: 1).port]
            closed += ports.filter { Loopback.connect($0) == nil }.count
        }
        // Somebody else may have been given one of the ports.
        #expect(closed >= 36)
    }
}
