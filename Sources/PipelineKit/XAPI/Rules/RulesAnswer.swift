import Core
import FoundationEssentials

/// The body of a 2xx of the rules endpoint; it can hold failures all the same, in `errors` and in its summary.
struct RulesAnswer {
    private(set) var rules: [XRule] = []
    let nextToken: String?
    /// How many rules were created; nil when the answer does not say.
    let created: Int?
    /// How many would be created (dry run).
    let valid: Int?
    let deleted: Int?
    private let errors: [RuleError]

    /// - Throws: `XError`: `wait` when the body is not such an answer; `call` names the call in it.
    init(_ body: [UInt8], call: String) throws(XError) {
        guard let decoded = try? JSONDecoder().decode(Body.self, from: Data(body)) else {
            throw XError(.wait, "X's answer to a \(call) of rules has an unexpected form (\(body.count) bytes)")
        }
        for rule in decoded.data ?? [] {
            guard let value = rule.value else { continue }
            rules.append(
                XRule(id: rule.id?.text ?? "", value: value, tag: rule.tag.flatMap { $0.text.isEmpty ? nil : $0.text }))
        }
        let summary = decoded.meta?.summary
        nextToken = decoded.meta?.nextToken
        created = summary?.created?.number
        valid = summary?.valid?.number
        deleted = summary?.deleted?.number
        errors = decoded.errors ?? []
    }

    /// Checks that a change was made as a whole.
    ///
    /// - Throws: `XError`: `reject` that names each rule X did not take, and X's reason.
    func requireSuccess(of expected: Int, done: Int?, verb: String) throws(XError) {
        guard !errors.isEmpty || done ?? expected < expected else { return }
        let count = min(done ?? max(0, expected - errors.count), expected)
        let reasons = errors.isEmpty ? ["it gives no reason"] : errors.prefix(20).map(\.text)
        throw XError(.reject, (["X \(verb) \(count) of \(expected) rules"] + reasons).joined(separator: "\n"))
    }

    private struct Body: Decodable {
        struct Rule: Decodable {
            let id: LenientText?
            let value: String?
            let tag: LenientText?
        }
        struct Meta: Decodable {
            struct Summary: Decodable {
                let created: LenientText?
                let valid: LenientText?
                let deleted: LenientText?
            }
            let summary: Summary?
            let nextToken: String?

            enum CodingKeys: String, CodingKey {
                case summary
                case nextToken = "next_token"
            }
        }
        let data: [Rule]?
        let meta: Meta?
        let errors: [RuleError]?
    }

    private struct RuleError: Decodable {
        let id: LenientText?
        let value: String?
        let title: String?
        let detail: String?
        let details: [String]?
        let message: String?

        var text: String {
            let why = (details ?? []) + [detail, message, duplicateText].compactMap { $0 }
            return [value.map { "'\($0)'" }, title, why.isEmpty ? nil : why.joined(separator: "; ")]
                .compactMap { $0 }.joined(separator: ": ")
        }

        private var duplicateText: String? {
            guard title == "DuplicateRule", let id else { return nil }
            return "rule \(id.text) has this value already and keeps its tag; delete it first to change that"
        }
    }
}

/// A text that X sends as a JSON string in one version of its API and as a number in another.
private struct LenientText: Decodable {
    let text: String

    var number: Int? { Int(text) }

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let number = try? value.decode(Int64.self) {
            text = String(number)
        } else {
            text = try value.decode(String.self)
        }
    }
}
