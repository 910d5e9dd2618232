import Foundation
import Sandbox
import Testing

@Suite("XSimulator: rules", .timeLimit(.minutes(4)))
struct XRulesTests {
    @Test("rules are added, listed in pages, counted and deleted")
    func lifeCycle() async throws {
        try await withSimulator(rules: []) { _, curl in
            #expect(try await curl(Curl.rules).json()["data"] == nil)
            let added = try await curl(
                Curl.rules, post: ##"{"add":[{"value":"cats","tag":"c"},{"value":"dogs"},{"value":"#tea lang:en"}]}"##)
            #expect(added.status == 201)
            #expect(try summary(added) == ["created": 3, "not_created": 0, "valid": 3, "invalid": 0])
            let page = try await curl(Curl.rules + "?max_results=2").json()
            let meta = try #require(page["meta"] as? [String: Any])
            #expect(meta["result_count"] as? Int == 2)
            let token = try #require(meta["next_token"] as? String)
            #expect(token.count == 16)
            let rest = try await rules(curl(Curl.rules + "?max_results=2&pagination_token=\(token)"))
            #expect(rest.map { $0["value"] } == ["#tea lang:en"])
            let id = try #require(rest.first?["id"])
            let deleted = try await curl(Curl.rules, post: #"{"delete":{"ids":["\#(id)","1"]}}"#)
            #expect(deleted.status == 200)
            #expect(try summary(deleted) == ["deleted": 1, "not_deleted": 1])
            #expect(try await rules(curl(Curl.rules)).map { $0["tag"] } == ["c", nil])
            let counts = try await curl(Curl.rules + "/counts").json()
            #expect((counts["data"] as? [String: Any])?["project_rules_count"] as? String == "2")
            _ = try await curl(Curl.rules + "?delete_all=true", post: "{}")
            #expect(try await rules(curl(Curl.rules)).isEmpty)
        }
    }

    @Test("a dry run changes nothing")
    func dryRun() async throws {
        try await withSimulator { _, curl in
            let answer = try await curl(Curl.rules + "?dry_run=true", post: #"{"add":[{"value":"cats"}]}"#)
            #expect(try summary(answer)["created"] == 1)
            _ = try await curl(Curl.rules + "?dry_run=true", post: #"{"delete":{"values":["coffee"]}}"#)
            #expect(try await rules(curl(Curl.rules)).map { $0["value"] } == ["coffee"])
        }
    }

    @Test("failures come inside a 2xx: duplicates, and invalid rules that refuse the whole request")
    func failuresInside() async throws {
        try await withSimulator { _, curl in
            let twice = try await curl(Curl.rules, post: #"{"add":[{"value":"coffee","tag":"other"}]}"#)
            #expect(twice.status == 200)
            #expect(try errors(twice).map { $0["title"] as? String } == ["DuplicateRule"])
            for bad in ["lang:en", "-cats", "(cats", #"say \"it"#, String(repeating: "x", count: 1025)] {
                let answer = try await curl(Curl.rules, post: #"{"add":[{"value":"fine"},{"value":"\#(bad)"}]}"#)
                #expect(try summary(answer)["created"] == 0, "\(bad)")
                #expect(try errors(answer).map { $0["title"] as? String } == ["UnprocessableEntity"], "\(bad)")
            }
            #expect(try await rules(curl(Curl.rules)).count == 1)
        }
    }

    @Test("more rules than the cap are refused")
    func cap() async throws {
        try await withSimulator({ $0.maximalRules = 2 }) { _, curl in
            let answer = try await curl(Curl.rules, post: #"{"add":[{"value":"a"},{"value":"b"}]}"#)
            #expect(try answer.json()["title"] as? String == "RulesCapExceeded")
            #expect(try await rules(curl(Curl.rules)).count == 1)
        }
    }

    @Test(
        "a body that is not one of add and delete is refused",
        arguments: ["", "[]", "{}", #"{"add":[],"delete":{"ids":[]}}"#])
    func badBody(body: String) async throws {
        try await withSimulator { _, curl in
            let answer = try await curl(Curl.rules, post: body)
            #expect(answer.status == 400)
        }
    }

    private func summary(_ answer: Curl.Answer) throws -> [String: Int] {
        let meta = try #require(answer.json()["meta"] as? [String: Any])
        return try #require(meta["summary"] as? [String: Int])
    }

    private func rules(_ answer: Curl.Answer) throws -> [[String: String]] {
        try answer.json()["data"] as? [[String: String]] ?? []
    }

    private func errors(_ answer: Curl.Answer) throws -> [[String: Any]] {
        try answer.json()["errors"] as? [[String: Any]] ?? []
    }
}
