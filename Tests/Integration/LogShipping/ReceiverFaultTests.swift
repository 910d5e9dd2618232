import Foundation
import Harness
import Sandbox
import Synchronization
import TestSupport
import Testing

@testable import Core
@testable import LogShipping

/// Receivers that are slow, busy, broken or elsewhere, over real sockets.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct ReceiverFaultTests {
    @Test func everythingArrivesOnceAndInOrder() throws {
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url)
        run.log(1...500)
        #expect(eventually { receiver.numbers.count == 500 })
        run.log(501...600)
        run.end()
        #expect(receiver.numbers == Array(1...600) && run.shipped == 600)
        #expect(receiver.events.allSatisfy { $0.service == "test" && $0.message == "numbered" })
        let request = try #require(receiver.server.requests.first)
        #expect(request.head.hasPrefix("POST /ingest HTTP/1.1"))
        #expect(request.header("content-type") == "application/x-ndjson")
        #expect(request.header("authorization") == nil && request.header("expect") == nil)
        #expect(run.counts.lastSuccess.value > 0 && run.counts.queued.value == 0)
    }

    @Test("f97: a slow receiver: nobody waits, memory is bounded, the oldest are dropped and counted")
    func f97ASlowReceiverHoldsNobodyUp() throws {
        let gate = Gate()
        let receiver = try LogReceiver { connection in
            gate.pass()
            return (200, "", "")
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) {
            $0.queueBytes = 64 << 10
            $0.limits.batchBytes = 16 << 10
        }
        run.log(1...1)
        #expect(receiver.server.waitForRequests(1))
        // Were one of these calls to wait for the receiver, the gate would never open.
        run.log(2...20_000)
        #expect(run.queue.pending.bytes <= 64 << 10)
        #expect(run.dropped(.queueFull) > 15_000)
        gate.open()
        #expect(eventually { run.shipped + run.dropped(.queueFull) == 20_000 && receiver.announced > 0 })
        run.end()
        #expect(receiver.announced == run.dropped(.queueFull))
        #expect(receiver.numbers == receiver.numbers.sorted() && receiver.numbers.last == 20_000)
        #expect(Set(receiver.numbers).count == receiver.numbers.count)
    }

    @Test func f97RetryAfterIsObeyed() throws {
        let times = Mutex<[ContinuousClock.Instant]>([])
        let receiver = try LogReceiver { connection in
            times.withLock { $0.append(.now) }
            return connection.index == 0 ? (429, "Retry-After: 3\r\n", "slow down") : (200, "", "")
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url)
        run.log(1...3)
        #expect(eventually { receiver.numbers == [1, 2, 3] })
        let found = times.withLock { $0 }
        try #require(found.count == 2)
        #expect(found[0].duration(to: found[1]) >= .milliseconds(2900))
        #expect(run.counts.retries.value == 1 && run.counts.allDropped == 0)
    }

    @Test func f97ABadRequestIsNotRetriedAndCounted() throws {
        let receiver = try LogReceiver { connection in
            connection.body.contains("\"n\":") ? (400, "", "no such field") : (200, "", "")
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url)
        run.log(1...1)
        #expect(eventually { receiver.announced == 1 })
        run.end()
        #expect(run.dropped(.rejected) == 1 && run.shipped == 0 && run.counts.retries.value == 0)
        #expect(receiver.server.requests.count { $0.body.contains("\"n\":1,") || $0.body.contains("\"n\":1}") } == 1)
    }

    @Test("f97: one event that the receiver does not know (404) costs no other; too large a request (413) is divided")
    func f97OnlyWhatTheReceiverRejectsIsLost() throws {
        let receiver = try LogReceiver { connection in
            if connection.body.utf8.count > 4000 { return (413, "", "") }
            return connection.body.contains("\"n\":77}") ? (404, "", "unknown field") : (200, "", "")
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url)
        run.log(1...200)
        #expect(eventually { run.shipped + run.dropped(.rejected) == 200 && receiver.announced == 1 })
        run.end()
        #expect(receiver.numbers == Array(1...76) + Array(78...200) && run.dropped(.rejected) == 1)
    }

    @Test("f97: an outage in the middle: 503, resets, no answer, a refused connection", arguments: [503, 0, -1, -2])
    func f97WhatIsTransientIsSentAgain(fault: Int) throws {
        let isDown = Atomic(true)
        let receiver = try LogReceiver { connection in
            guard isDown.load(ordering: .acquiring) else { return (200, "", "") }
            switch fault {
            case 503: return (503, "", "")
            case -1: connection.resetAtClose()
            case -2: connection.waitForPeer()
            default: break
            }
            return nil
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) { $0.timeout = .milliseconds(500) }
        run.log(1...10)
        #expect(receiver.server.waitForRequests(3))
        run.log(11...20)
        isDown.store(false, ordering: .releasing)
        #expect(eventually { receiver.numbers == Array(1...20) })
        #expect(run.counts.allDropped == 0 && run.counts.retries.value >= 2)
    }

    @Test("f97: no redirect is followed, and the token goes to no other host", arguments: [301, 302, 307, 308])
    func f97TheTokenGoesToNoOtherHost(status: Int) throws {
        let folder = try TemporaryFolder()
        try folder.write("redirect-token", to: "token")
        let other = try LogReceiver()
        defer { other.server.close() }
        let target = other.url.replacing("127.0.0.1", with: "localhost")
        let receiver = try LogReceiver { _ in (status, "Location: \(target)\r\n", "") }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) { $0.credentials.tokenFile = folder.path + "/token" }
        run.log(1...5)
        #expect(receiver.server.waitForRequests(1))
        run.end()
        #expect(receiver.server.requests.first?.header("authorization") == "Bearer redirect-token")
        #expect(other.server.requests.isEmpty && run.shipped == 0 && run.dropped(.ended) == 5)
    }

    @Test("f97: a rejected token costs no event; a new one in the file is enough", arguments: [401, 403])
    func f97ANewTokenIsEnough(status: Int) throws {
        let folder = try TemporaryFolder()
        try folder.write("old", to: "token")
        let receiver = try LogReceiver { connection in
            connection.header("DD-API-KEY") == "new" ? (200, "", "") : (status, "", "bad key")
        }
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) {
            $0.credentials.tokenFile = folder.path + "/token"
            $0.credentials.tokenField = TokenField(name: "DD-API-KEY", scheme: "")
        }
        run.log(1...5)
        #expect(receiver.server.waitForRequests(1))
        run.log(6...10)
        try folder.write("new", to: "token")
        #expect(eventually { receiver.numbers == Array(1...10) })
        #expect(run.counts.allDropped == 0)
    }

    @Test("f97: a proxy that asks for credentials gets them from their file, and only it does")
    func f97AProxyGetsItsCredentials() throws {
        let folder = try TemporaryFolder()
        try folder.write("user:proxy-pass-1", to: "proxy")
        // base64 of `user:proxy-pass-2`.
        let wanted = "Basic dXNlcjpwcm94eS1wYXNzLTI="
        let proxy = try LogReceiver { connection in
            connection.header("Proxy-Authorization") == wanted
                ? (200, "", "") : (407, "Proxy-Authenticate: Basic realm=\"p\"\r\n", "")
        }
        defer { proxy.server.close() }
        let run = try ShipperRun("http://receiver.invalid/ingest") {
            $0.proxy = proxy.server.url
            $0.credentials.proxyFile = folder.path + "/proxy"
        }
        run.log(1...5)
        #expect(proxy.server.waitForRequests(1))
        try folder.write("user:proxy-pass-2", to: "proxy")
        #expect(eventually { proxy.numbers == Array(1...5) })
        run.end()
        #expect(proxy.server.requests.allSatisfy { $0.head.hasPrefix("POST http://receiver.invalid/ingest HTTP/1.1") })
    }

    @Test func aCompressedBodyHasTheSameEvents() throws {
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let run = try ShipperRun(receiver.url) { $0.isCompressed = true }
        run.log(1...50)
        #expect(receiver.server.waitForRequests(1))
        run.end()
        let folder = try TemporaryFolder()
        var numbers: [Int] = []
        for request in receiver.server.requests {
            #expect(request.header("content-encoding") == "gzip")
            try Data(request.bytes).write(to: URL(filePath: folder.path + "/body.gz"))
            let (exit, text) = try ChildProcess.run(ChildCommand("/usr/bin/gzip", ["-dc", folder.path + "/body.gz"]))
            #expect(exit == .status(0))
            numbers += ReceivedEvent.all(in: text).compactMap(\.n)
        }
        #expect(numbers == Array(1...50))
    }

    @Test func knownSecretsAndHugeEventsDoNotLeave() throws {
        let receiver = try LogReceiver()
        defer { receiver.server.close() }
        let secret = Secret("s3cr3t-\(UInt64.random(in: 0 ... .max))")
        let run = try ShipperRun(receiver.url) { $0.limits.batchBytes = 16 << 10 }
        run.log(1...1, padding: 10_000)
        run.log(line: #"{"time":"t","level":"info","logger":"l","message":"m \#(secret.value)","n":2}"#)
        #expect(eventually { receiver.numbers == [2] && receiver.announced == 1 })
        #expect(receiver.events.contains { $0.message == "m ***" })
        #expect(receiver.server.requests.allSatisfy { !$0.body.contains(secret.value) })
        #expect(run.dropped(.tooLarge) == 1)
    }
}
