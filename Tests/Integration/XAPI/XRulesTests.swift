import Harness
import TestSupport
import Testing

@testable import Core
@testable import XAPI

/// The rules endpoint against scripted answers.
@Suite(.serialized, .timeLimit(.minutes(4))) struct XRulesTests {
    /// Answers each request with the next status and body, and hands the requests to `check` at the end.
    private func withRules<Value>(
        _ answers: [(status: Int, body: String)], headers: String = "", _ call: (XRules) throws -> Value
    ) throws -> (value: Value, requests: [ScriptedServer.Connection]) {
        let server = try ScriptedServer { connection in
            let answer = answers[min(connection.index, answers.count - 1)]
            connection.answer(answer.status, answer.body, headers: headers)
        }
        defer { server.close() }
        let rules = XRules(XSettings(url: server.url, token: .value(Secret("TEST-TOKEN"))))
        return (try call(rules), server.requests)
    }

    private func failure(
        _ status: Int, _ body: String, headers: String = "", _ call: (XRules) throws -> Void
    ) throws
        -> XError
    {
        do {
            _ = try withRules([(status, body)], headers: headers, call)
        } catch let failure as XError {
            #expect(!failure.description.contains("TEST-TOKEN"))
            return failure
        }
        Issue.record("no failure for \(status) \(body)")
        return XError(.rebuild, "")
    }

    private let add: (XRules) throws -> Void = { try $0.add([NewRule(value: "cat", tag: "cats")]) }

    @Test func listsEveryPageAndReadsIdsOfBothKinds() throws {
        let (rules, requests) = try withRules([
            (
                200,
                #"{"data":[{"id":"1","value":"cat","tag":"cats"},{"id":2,"value":"dog","tag":""}],"meta":{"next_token":"abc/1"}}"#
            ),
            (200, #"{"data":[{"id":"3","value":"\"a b\""}],"meta":{"result_count":1}}"#),
        ]) { try $0.list() }
        #expect(
            rules == [
                XRule(id: "1", value: "cat", tag: "cats"), XRule(id: "2", value: "dog", tag: nil),
                XRule(id: "3", value: "\"a b\"", tag: nil),
            ])
        #expect(requests[0].head.hasPrefix("GET /2/tweets/search/stream/rules?max_results=1000 "))
        #expect(requests[1].head.contains("&pagination_token=abc%2F1 "))
        #expect(requests[0].header("Authorization") == "Bearer TEST-TOKEN")
    }

    @Test func aTokenThatNeverEndsEnds() throws {
        let page = #"{"data":[{"id":"1","value":"cat"}],"meta":{"next_token":"same"}}"#
        #expect(try withRules([(200, page)]) { try $0.list() }.requests.count == 2)
    }

    @Test func noRulesAtAll() throws {
        #expect(try withRules([(200, #"{"meta":{"result_count":0}}"#)]) { try $0.list() }.value.isEmpty)
    }

    @Test func addsWithTagAndDryRun() throws {
        let body =
            #"{"data":[{"id":"9","value":"cat \"x\"","tag":"t"}],"meta":{"summary":{"created":"1","not_created":0,"valid":1}}}"#
        let (rules, requests) = try withRules([(201, body)]) { rules in
            try rules.add([NewRule(value: "dog", tag: nil)], isDryRun: true)
            return try rules.add([NewRule(value: "cat \"x\"", tag: "t")])
        }
        #expect(rules == [XRule(id: "9", value: "cat \"x\"", tag: "t")])
        #expect(requests[0].head.hasPrefix("POST /2/tweets/search/stream/rules?dry_run=true "))
        #expect(requests[0].body == #"{"add":[{"value":"dog"}]}"#)
        #expect(requests[1].body == #"{"add":[{"value":"cat \"x\"","tag":"t"}]}"#)
        #expect(requests[1].header("Content-Type") == "application/json")
    }

    @Test func aSuccessWithFailuresInsideIsAFailure() throws {
        let duplicate =
            #"{"meta":{"summary":{"created":0,"not_created":1,"valid":0,"invalid":1}},"errors":[{"value":"cat","id":"157","title":"DuplicateRule","type":"x/duplicate-rules"}]}"#
        let first = try failure(200, duplicate, add)
        #expect(first.disposition == .reject)
        #expect(first.description.contains("X accepted 0 of 1 rules"))
        #expect(first.description.contains("'cat': DuplicateRule: rule 157 has this value already"))

        let invalid =
            #"{"errors":[{"value":"cat","details":["no viable alternative at 1"],"title":"UnprocessableEntity"}]}"#
        #expect(try failure(201, invalid, add).description.contains("no viable alternative at 1"))

        let silent = #"{"meta":{"summary":{"created":0,"not_created":1}}}"#
        #expect(try failure(200, silent, add).disposition == .reject)
        #expect(
            try failure(200, #"{"meta":{"summary":{"deleted":0,"not_deleted":1}}}"#) { try $0.delete(ids: ["1"]) }
                .disposition == .reject)
    }

    @Test func deletesByIdAndByValue() throws {
        let (_, requests) = try withRules([(200, #"{"meta":{"summary":{"deleted":1,"not_deleted":0}}}"#)]) { rules in
            try rules.delete(ids: ["12"])
            try rules.delete(values: ["cat"])
        }
        #expect(requests.map(\.body) == [#"{"delete":{"ids":["12"]}}"#, #"{"delete":{"values":["cat"]}}"#])
    }

    @Test func everyRefusalHasItsDisposition() throws {
        let unauthorized = try failure(401, #"{"title":"Unauthorized"}"#, add)
        #expect(unauthorized.disposition == .operator(.credentials))
        #expect(unauthorized.description.contains("X_BEARER_TOKEN"))
        #expect(try failure(403, #"{"title":"Client Forbidden"}"#, add).disposition == .operator(.credentials))
        #expect(
            try failure(400, #"{"errors":[{"details":["why"]}],"title":"Invalid Request"}"#, add).description.contains(
                "why"))
        #expect(try failure(400, "{}", add).disposition == .reject)
        #expect(try failure(422, #"{"title":"RulesCapExceeded"}"#, add).disposition == .reject)
        #expect(try failure(503, "<html>", add).disposition == .wait)
        #expect(try failure(200, "<html>", add).disposition == .wait)
        #expect(try failure(404, "", add).disposition == .wait)
        let limit = try failure(
            429, "",
            headers: "Date: Wed, 14 Nov 2029 22:13:20 GMT\r\nx-rate-limit-remaining: 0\r\n"
                + "x-rate-limit-reset: 1889389100\r\n", add)
        #expect(limit.disposition == .retry)
        #expect(limit.description.contains("Try again in 5m 0s"))
    }

    @Test func anUnreachableServerIsUnavailable() throws {
        let url = "http://127.0.0.1:1"
        let rules = XRules(XSettings(url: url, token: .value(Secret("t"))))
        let failure = #expect(throws: XError.self) { try rules.list() }
        #expect(failure?.disposition == .wait)
        #expect(failure?.description.contains(url) == true)
    }
}
