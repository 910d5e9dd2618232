import Harness
import TestSupport
import Testing

@testable import TweetFormat

/// The last line of a body without a line feed: it is a line when the body has ended in due form.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XStreamEndTests {
    private static let one = #"{"data":{"id":"1001","text":"a"}}"#
    private static let two = #"{"data":{"id":"1002","text":"b"}}"#
    private static let full =
        #"{"title":"ConnectionException","detail":"full","connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}"#

    /// How a body ends.
    enum Ending: String, CaseIterable {
        case chunked, contentLength, close
        /// Not in due form.
        case cutChunk, cutLength, reset

        var isInDueForm: Bool { [.chunked, .contentLength, .close].contains(self) }

        /// Sends a whole answer with this body, or one that breaks off behind the body.
        func send(_ body: String, on connection: ScriptedServer.Connection) {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            let size = String(body.utf8.count, radix: 16)
            switch self {
            case .chunked: connection.send("\(head)Transfer-Encoding: chunked\r\n\r\n\(size)\r\n\(body)\r\n0\r\n\r\n")
            case .cutChunk: connection.send("\(head)Transfer-Encoding: chunked\r\n\r\n\(size)\r\n\(body)\r\n")
            case .contentLength: connection.send("\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            case .cutLength: connection.send("\(head)Content-Length: \(body.utf8.count + 9)\r\n\r\n\(body)")
            case .close: connection.send("\(head)Connection: close\r\n\r\n\(body)")
            case .reset:
                connection.send("\(head)Connection: close\r\n\r\n\(body)")
                connection.resetAtClose()
            }
        }
    }

    /// The lines and the end of the first connection, which has this body; the second one brings a line of its own.
    private func first(_ body: String, _ ending: Ending) throws -> (lines: [String], end: PipelineEvent, run: StreamRun)
    {
        let server = try ScriptedServer { connection in
            if connection.index == 0 { return ending.send(body, on: connection) }
            connection.sendStreamHead()
            connection.send("{\"data\":{\"id\":\"9\"}}\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(server.waitForRequests(2))
        _ = run.finish()
        let journal = try run.journal()
        let number = try #require(journal.first?.connection)
        let lines = journal.filter { $0.event == nil && $0.connection == number }.map(\.text)
        return (lines, try #require(journal.compactMap(\.event).first { $0.type == .disconnected }), run)
    }

    @Test(arguments: Ending.allCases) func aWholeLineWithoutItsEndIsALine(_ ending: Ending) throws {
        let (lines, end, _) = try first("\(Self.one)\r\n\(Self.two)", ending)
        if ending.isInDueForm {
            #expect(lines == [Self.one, Self.two])
            #expect(end.cause == "closed" && end.lines == 2 && end.newestID == "1002" && end.detail == nil)
        } else if ending != .reset {
            #expect(lines == [Self.one])
            #expect(end.detail?.contains("an unfinished line of \(Self.two.utf8.count) bytes was dropped") == true)
        } else {
            // A reset may throw away what was not read yet.
            #expect(lines.count <= 1 && end.lines == Int64(lines.count))
        }
    }

    @Test(
        arguments: ["{\"data\":{\"id\":\"7", "7", "\"a\"", "{} {}", "garbage", "{\"data\":\"\u{1}\"}"],
        [Ending.chunked, .close])
    func aPartOfALineIsNone(_ rest: String, _ ending: Ending) throws {
        let (lines, end, _) = try first("\(Self.one)\n\(rest)", ending)
        #expect(lines == [Self.one])
        #expect(end.detail?.contains("an unfinished line of \(rest.utf8.count) bytes") == true)
    }

    @Test(arguments: [Ending.chunked, .contentLength, .close], ["", "\(one)\r\n"])
    func aControlMessageWithoutItsEndIsObeyed(_ ending: Ending, _ before: String) throws {
        let (lines, end, run) = try first(before + Self.full, ending)
        #expect(lines == (before.isEmpty ? [] : [Self.one]) + [Self.full])
        #expect(end.cause == "control" && end.detail?.contains("TooManyConnections") == true)
        let told = try #require(run.log.lines.first { $0.message == "disconnected" })
        // The ladder of 429: a minute, here a hundredth of it, not the next attempt at once.
        #expect(try #require(told.wait) >= 0.6)
    }

    @Test func aRecoveryHandsTheLastLineOverAsWell() throws {
        var framer = LineFramer(limit: 2048)
        var lines: [String] = []
        let take: (FramedLine) -> Void = { found in
            if case .line(let line) = unsafe found { lines.append(unsafe String(decoding: line, as: UTF8.self)) }
        }
        for piece in ["\(Self.one)\n\(Self.two.prefix(9))", Self.two.dropFirst(9) + "\r"] {
            unsafe Array(piece.utf8).withUnsafeBytes { unsafe framer.feed($0, take) }
        }
        unsafe framer.finish(StreamMessage.isWhole, take)
        #expect(lines == [Self.one, Self.two])
        #expect(framer.pendingBytes == 0)
        unsafe framer.finish(StreamMessage.isWhole, take)
        #expect(lines.count == 2)
    }
}
