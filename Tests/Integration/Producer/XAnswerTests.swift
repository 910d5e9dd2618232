import FoundationEssentials
import Harness
import TestSupport
import Testing

@testable import Core
@testable import HTTP
@testable import TweetProducer
@testable import XAPI

/// What the header of an answer says: waits, redirects, and whether it is the stream at all.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct XAnswerTests {
    private func answer(_ head: String, body: String = "") -> HTTPAnswer {
        let answer = HTTPAnswer(bodyLimit: 1000)
        for line in head.split(separator: "|") {
            unsafe Array("\(line)\r\n".utf8).withUnsafeBytes { unsafe answer.takeHeaderLine($0) }
        }
        unsafe Array("\r\n".utf8).withUnsafeBytes { unsafe answer.takeHeaderLine($0) }
        _ = unsafe Array(body.utf8).withUnsafeBytes { unsafe answer.takeBody($0) }
        return answer
    }

    private static let date = "Date: Sun, 22 Nov 2026 10:00:00 GMT"

    @Test(
        arguments: [
            ("Retry-After: 7", 7), ("Retry-After: 0", 0), ("retry-after: Sun, 22 Nov 2026 10:01:30 GMT", 90),
            ("Retry-After: Sunday, 22-Nov-26 10:00:20 GMT", 20), ("Retry-After: Sun Nov 22 10:00:05 2026", 5),
            ("Retry-After: Sun, 22 Nov 2026 09:00:00 GMT", 0), ("Retry-After: soon", nil), ("Retry-After: -5", nil),
            ("Retry-After: 99999999999999999999", nil), ("X: y", nil),
        ] as [(String, Int?)])
    func readsRetryAfter(_ field: String, _ seconds: Int?) {
        for status in [429, 503, 500, 301] {
            let limit = answer("HTTP/1.1 \(status) No|\(Self.date)|\(field)").rateLimit
            #expect(limit.retryAfter == seconds.map { .seconds($0) })
        }
    }

    @Test func theLongerOfBothWaitsCountsAndNoneForEver() throws {
        let reset = try #require(Timestamp("2026-11-22T10:01:00Z")).milliseconds / 1000
        let limits = ["5", "100", "864000"].map { seconds in
            answer("HTTP/1.1 429 No|\(Self.date)|x-rate-limit-reset: \(reset)|Retry-After: \(seconds)").rateLimit.wait
        }
        #expect(limits == [.seconds(60), .seconds(100), .seconds(3600)])
    }

    @Test(arguments: [
        ("https://x.example/2/y", "https://x.example/2/y"),
        ("https://user:pa%40ss@x.example:8443/2?token=a#b", "https://x.example:8443/2"),
        ("//u:p@w@h/x", "//h/x"), ("/2/other", "/2/other"),
        ("https://x.example/a\u{1b}[2Jb", "https://x.example/a?[2Jb"),
        ("https://x.example/@me", "https://x.example/@me"),
    ])
    func aRedirectNamesItsTargetWithoutSecrets(_ location: String, _ shown: String) {
        for status in [301, 302, 303, 307, 308] {
            let problem = answer("HTTP/1.1 \(status) Moved|Location: \(location)", body: "<html>secret</html>").problem
            #expect(problem.kind == .redirect && problem.description == "HTTP \(status): leads to \(shown)")
            let told = Interruption(.refused(problem)).detail ?? ""
            #expect(told.contains("set X_URL") && !told.contains("secret") && !told.contains("pa%40ss"))
        }
    }

    /// What X, a proxy and a portal may send with a 200.
    @Test(arguments: [
        ("Content-Type: application/json; charset=utf-8", "{}", true), ("Content-Type: application/x-ndjson", "", true),
        ("Content-Type: APPLICATION/JSON", "\r\n", true), ("X: y", "{\"data\":1}", true), ("X: y", "\r\n", true),
        ("X: y", "\r\n\r\n{", true), ("X: y", "hello", false), ("X: y", "<html>", false), ("X: y", "", false),
        ("Content-Type: text/plain", "{}", false), ("Content-Type: application/xhtml+xml", "<html>", false),
        ("Content-Type: text/html", "", false), ("Content-Type: application/json", "<!DOCTYPE html>", false),
        ("Content-Type: application/json", "\n <html>", false), ("Content-Type: application/octet-stream", "{}", false),
    ])
    func onlyJSONIsAStream(_ field: String, _ body: String, _ isStream: Bool) {
        #expect(answer("HTTP/1.1 200 OK|\(field)", body: body).isStream == isStream)
    }

    /// What comes in place of the stream is no connection, and none of it is journalled.
    @Test(arguments: [
        "Content-Type: text/plain\r\n", "Content-Type: application/xhtml+xml\r\n", "",
        "Content-Type: application/json\r\n",
    ])
    func aPageIsRejectedWhateverItIsCalled(_ type: String) throws {
        let server = try ScriptedServer { connection in
            let page = "<?xml version=\"1.0\"?>\n<html>\nlog in\n</html>\n"
            connection.send("HTTP/1.1 200 OK\r\n\(type)Content-Length: \(page.utf8.count)\r\n\r\n\(page)")
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url, backoffScale: 0.001))
        #expect(server.waitForRequests(3))
        _ = run.finish()
        #expect(try run.lines().isEmpty)
        #expect(try run.events().contains { $0.cause == "not_a_stream" })
        #expect(run.log.lines.contains { $0.metadata["cause"] == "not_a_stream" })
    }

    /// X's header may be missing behind a proxy; what comes first tells.
    @Test(arguments: ["\r\n", "{\"data\":{\"id\":\"5\"}}\r\n"])
    func aStreamWithoutAContentTypeIsRead(_ begin: String) throws {
        let server = try ScriptedServer { connection in
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            connection.send(begin)
            connection.send("{\"data\":{\"id\":\"6\"}}\r\n")
            connection.waitForPeer()
        }
        defer { server.close() }
        let run = try StreamRun(.test(server.url))
        #expect(run.waitForLines(begin == "\r\n" ? 2 : 3))
        _ = run.finish()
        #expect(try run.lines().last == "{\"data\":{\"id\":\"6\"}}")
        #expect(try run.events().first?.type == .connected && server.requests.count == 1)
    }

    @Test(arguments: [429, 503, 500]) func theStreamWaitsAsLongAsTheServerAsks(_ status: Int) throws {
        let server = try ScriptedServer { connection in
            if connection.index == 0 { return connection.answer(status, "", headers: "Retry-After: 2\r\n") }
            connection.sendStreamHead()
            connection.waitForPeer()
        }
        defer { server.close() }
        let begin = ContinuousClock.now
        let run = try StreamRun(.test(server.url, backoffScale: 0.001))
        #expect(server.waitForRequests(2))
        #expect(begin.duration(to: .now) >= .seconds(2))
        _ = run.finish()
    }

    @Test func aCallWaitsWithinItsPatience() throws {
        let server = try ScriptedServer { connection in
            if connection.index == 0 { return connection.answer(503, "", headers: "Retry-After: 1\r\n") }
            connection.answer(200, "{}", type: "application/json")
        }
        defer { server.close() }
        let settings = XSettings(url: server.url, token: .value(Secret("t")))
        let failure = try #require(throws: XError.self) { _ = try XAPI(settings).get("/2/x") }
        #expect(failure.description.hasSuffix("Try again in 1s"), "\(failure)")
        let other = try ScriptedServer { connection in
            if connection.index == 0 { return connection.answer(503, "", headers: "Retry-After: 1\r\n") }
            connection.answer(200, "{}", type: "application/json")
        }
        defer { other.close() }
        let patient = XAPI(XSettings(url: other.url, token: .value(Secret("t"))), patience: .seconds(10))
        #expect(try patient.get("/2/x") == Array("{}".utf8))
    }
}
