import Glibc
import Harness
import TestSupport
import Testing

@testable import Core

/// The stream against a server that misbehaves below and above HTTP.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XStreamTests {
    private static let one = #"{"data":{"id":"1001","text":"a"}}"#
    private static let two = #"{"data":{"id":"1002","text":"é\n"},"matching_rules":[]}"#

    @Test func asksForTheStreamAndJournalsEveryLine() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.send("\(Self.one)\r\n\r\n\(Self.two)\n garbage\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(run.waitForLines(4))
        _ = run.finish()
        #expect(try run.lines() == [Self.one, Self.two, " garbage"])
        let journal = try run.journal()
        #expect(journal.first?.event?.type == .connected)
        let end = try #require(journal.last?.event)
        #expect(end.type == .disconnected)
        #expect(end.cause == "stop")
        #expect(end.lines == 3)
        #expect(end.newestID == "1002")
        #expect(end.lastReceivedAt != nil)
        let connection = try #require(journal.first?.connection)
        #expect(connection > 1_600_000_000_000)
        #expect(journal.dropLast().allSatisfy { $0.connection == connection })
        #expect(end.connection == "\(connection)")
        expectRequest(try #require(server.requests.first))
        #expect(!run.log.lines.contains { "\($0)".contains("TEST-TOKEN") || "\($0)".contains("garbage") })
    }

    private func expectRequest(_ request: ScriptedServer.Connection) {
        #expect(request.head.hasPrefix("GET /2/tweets/search/stream?"))
        #expect(request.head.contains("tweet.fields=article,attachments,author_id"))
        #expect(request.head.contains("expansions=article.cover_media"))
        #expect(request.head.contains(" HTTP/1.1\r\n"))
        #expect(request.header("Authorization") == "Bearer TEST-TOKEN")
        #expect(request.header("User-Agent") == "tweet-pipeline/\(productVersion)")
        #expect(request.header("Accept-Encoding") == "identity")
    }

    @Test func aCleanCloseIsFollowedByTheNextConnectionAtOnce() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.send("\(connection.index == 0 ? Self.one : Self.two)\r\n")
            if connection.index > 0 { connection.waitForPeer() }
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, backoffScale: 1))
        #expect(run.waitForLines(5))
        _ = run.finish()
        #expect(try run.lines() == [Self.one, Self.two])
        #expect(try run.events().map(\.type) == [.connected, .disconnected, .connected, .disconnected])
        let closed = try #require(try run.events().dropFirst().first)
        #expect(closed.cause == "closed")
        #expect(closed.newestID == "1001")
        let told = try #require(run.log.lines.first { $0.message == "disconnected" })
        #expect(told.wait == 0)
    }

    @Test func aResetInTheMiddleOfALineDropsAndCountsIt() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.send(Self.one + "\r\n")
            if connection.index > 0 { return connection.waitForPeer() }
            connection.send(#"{"data":{"id":"77"#)
            // The reset throws away what the client has not read.
            #expect(connection.waitUntilRead())
            connection.resetAtClose()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(run.waitForLines(5))
        _ = run.finish()
        #expect(try run.lines() == [Self.one, Self.one])
        let end = try #require(try run.events().first { $0.type == .disconnected })
        #expect(end.cause == "reset")
        #expect(end.detail?.contains("an unfinished line of 17 bytes was dropped") == true)
        #expect(end.lines == 1)
    }

    @Test func silenceEndsTheConnection() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.send(Self.one + "\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, stallTimeout: .milliseconds(300)))
        #expect(server.waitForRequests(2))
        _ = run.finish()
        let end = try #require(try run.events().first { $0.type == .disconnected })
        #expect(end.cause == "stall")
    }

    @Test func keepAlivesKeepItAlive() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            // Half as long again as the stall time-out.
            for _ in 0..<60 {
                connection.send("\r\n")
                endure(.milliseconds(50))
            }
            connection.send(Self.one + "\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, stallTimeout: .seconds(2)))
        #expect(run.waitForLines(2))
        _ = run.finish()
        #expect(server.requests.count == 1)
        #expect(try run.lines() == [Self.one])
    }

    @Test func singleBytesAndChunksGiveTheSameLines() throws {
        let server = try ScriptedServer { connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for byte in "\(Self.one)\r\n\r\n\(Self.two)\r\n".utf8 {
                connection.send(Array("1\r\n".utf8) + [byte, 13, 10])
            }
            connection.dribble("5\r\nabc\r\n\r\n0\r\n\r\n")
            if connection.index > 0 { connection.waitForPeer() }
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(run.waitForLines(9))
        _ = run.finish()
        #expect(try run.lines().prefix(3) == [Self.one, Self.two, "abc"])
        #expect(try run.events().first { $0.type == .disconnected }?.cause == "closed")
    }

    @Test func aControlMessageIsJournalledAndEndsTheConnection() throws {
        let control =
            #"{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","detail":"d","type":"https://api.x.com/2/problems/operational-disconnect"}]}"#
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            connection.send(Self.one + "\r\n" + control + "\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(server.waitForRequests(2))
        _ = run.finish()
        #expect(try run.lines().prefix(2) == [Self.one, control])
        let events = try run.events()
        #expect(events.prefix(2).map(\.type) == [.connected, .disconnected])
        #expect(events[1].cause == "control")
        #expect(events[1].detail == "UpstreamOperationalDisconnect: d")
    }

    @Test func aLineOverTheLimitIsCutAndTheStreamGoesOn() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead()
            for _ in 0..<200 { connection.send([UInt8](repeating: 88, count: 10_000)) }
            connection.send("\r\n\(Self.one)\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(run.waitForLines(3))
        _ = run.finish()
        #expect(try run.lines() == [Self.one])
        let rejected = try #require(try run.events().first { $0.type == .rejected })
        #expect(rejected.cause == "line_too_long")
        #expect(rejected.bytes == 2_000_000)
        #expect(rejected.head?.hasPrefix("WFhYWFhY") == true)
    }

    @Test func gzipThatNobodyAskedForIsDecoded() throws {
        let server = try ScriptedServer { connection in
            connection.sendStreamHead("Content-Encoding: gzip\r\n")
            connection.send(connection.index == 0 ? gzippedLines : Array(gzippedLines.dropLast(20)))
            if connection.index == 2 { connection.waitForPeer() }
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(server.waitForRequests(3))
        _ = run.finish()
        #expect(try run.lines().prefix(2) == [#"{"data":{"id":"1"}}"#, #"{"data":{"id":"2"}}"#])
        #expect(try run.events().filter { $0.type == .disconnected }.count >= 2)
    }

    @Test func stopEndsEveryWaitAtOnce() throws {
        // In the stream, before the header, and between two attempts.
        let waits: [(script: @Sendable (ScriptedServer.Connection) -> Void, begins: String?)] = [
            (
                {
                    $0.sendStreamHead(); $0.waitForPeer()
                }, "connected"
            ), ({ $0.waitForPeer() }, nil), ({ $0.answer(503, "busy") }, "cannot read the stream"),
        ]
        for (script, begins) in waits {
            let server = try ScriptedServer(script)
            // Without the stop each of them would wait for five minutes or more.
            let run = try StreamRun(
                .test(server.url, connectTimeout: .seconds(300), stallTimeout: .seconds(300), backoffScale: 60))
            #expect(server.waitForRequests(1))
            if let begins { #expect(run.log.wait { $0.message.hasPrefix(begins) }) }
            #expect(run.finish() < .seconds(90))
            #expect(server.waitUntilIdle())
            #expect(run.waitForError() == nil)
            server.close()
        }
    }
}

/// `{"data":{"id":"1"}}` and the same with "2", each with `\r\n`, by gzip.
private let gzippedLines: [UInt8] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0x49, 0x2c, 0x49, 0x54, 0xb2, 0xaa,
    0x56, 0xca, 0x4c, 0x51, 0xb2, 0x52, 0x32, 0x54, 0xaa, 0xad, 0xe5, 0xe5, 0xaa, 0x46, 0x15, 0x34, 0x02, 0x0b, 0x02,
    0x00, 0x89, 0xc3, 0x66, 0x28, 0x2a, 0x00, 0x00, 0x00,
]
