import Foundation
import Harness
import TestSupport
import Testing

@testable import TweetProducer

/// `tweet-producer rules` as a process: what it prints, where, and how it exits.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct RulesCommandTests {
    private func run(
        _ arguments: [String], answer status: Int, _ body: String
    ) throws -> (
        outcome: ProducerCommand, request: ScriptedServer.Connection?
    ) {
        let server = try ScriptedServer { $0.answer(status, body) }
        defer { server.close() }
        let outcome = try ProducerCommand(["rules"] + arguments, ["X_URL": server.url, "X_BEARER_TOKEN": "TEST-TOKEN"])
        #expect(!(outcome.output + outcome.errors).contains("TEST-TOKEN"))
        return (outcome, server.requests.first)
    }

    @Test func listsAsTableAndAsJSON() throws {
        let body = #"{"data":[{"id":"12","value":"cat\u001b[2J has:images","tag":"cats"},{"id":"345","value":"dog"}]}"#
        let table = try run(["list"], answer: 200, body).outcome
        #expect(table.status == 0)
        #expect(table.output == "ID   TAG   VALUE\n12   cats  cat [2J has:images\n345  -     dog\n")
        #expect(table.errors.isEmpty)
        let json = try run(["list", "--json"], answer: 200, body).outcome
        #expect(
            json.output
                == #"{"rules":[{"id":"12","tag":"cats","value":"cat\u001b[2J has:images"},{"id":"345","value":"dog"}],"#
                + #""version":1}"# + "\n")
    }

    @Test func addsARuleThatBeginsWithAMinus() throws {
        let body = #"{"data":[{"id":"1","value":"-is:retweet cat","tag":"c"}],"meta":{"summary":{"created":1}}}"#
        let (outcome, request) = try run(["add", "--tag", "c", "--", "-is:retweet cat"], answer: 201, body)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("-is:retweet cat"))
        #expect(request?.body == #"{"add":[{"value":"-is:retweet cat","tag":"c"}]}"#)
    }

    @Test func failuresGoToStandardErrorWithTheirStatus() throws {
        let duplicate =
            #"{"errors":[{"value":"cat","id":"7","title":"DuplicateRule"}],"meta":{"summary":{"created":0}}}"#
        let refused = try run(["add", "cat"], answer: 200, duplicate).outcome
        #expect(refused.status == 65)
        #expect(refused.output.isEmpty)
        #expect(refused.errors.contains("'cat': DuplicateRule"))
        #expect(try run(["list"], answer: 401, "").outcome.status == 77)
        #expect(try run(["list"], answer: 429, "").outcome.status == 75)
        #expect(try run(["delete", "1"], answer: 503, "").outcome.status == 69)
    }

    @Test func badSettingsAndUsageAreToldApart() throws {
        let unset = try ProducerCommand(["rules", "list"], [:])
        #expect(unset.status == 78)
        #expect(unset.errors.contains("X_BEARER_TOKEN is not set"))
        #expect(try ProducerCommand(["rules", "delete"], [:]).status == 64)
        #expect(try ProducerCommand(["rules", "delete", "cat"], [:]).status == 64)
        #expect(try ProducerCommand(["rules", "delete", "1", "--value", "cat"], [:]).status == 64)
        #expect(
            try ProducerCommand(["rules", "--help"], [:]).output.contains("tweet-producer rules add 'cat has:images"))
    }
}
