/// An answer by which X refuses a request, in its own words.
package struct Refusal: Sendable, Codable, Equatable {
    package var status: Int
    package var body: String
    package var contentType = "application/problem+json"
    package var headers: [String: String] = [:]
    /// So many bytes are sent after `body`.
    package var filler: Int?

    package init(status: Int, body: String) {
        self.status = status
        self.body = body
    }

    package static let unauthorized = Refusal(
        status: 401, body: #"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#)
    package static let creditsDepleted = Refusal(
        status: 402,
        body: #"{"detail":"credits depleted","status":402,"title":"Payment Required","#
            + #""type":"https://api.x.com/2/problems/credits-depleted"}"#)
    package static let forbidden = Refusal(
        status: 403,
        body:
            #"{"title":"Client Forbidden","detail":"This request must be made using an approved developer account that is "#
            + #"enrolled in the requested endpoint.","reason":"client-not-enrolled","#
            + #""registration_url":"https://developer.x.com/en/docs/projects/overview","#
            + #""type":"https://api.twitter.com/2/problems/client-forbidden"}"#)
    package static let noRules = Refusal(
        status: 409,
        body: #"{"title":"ConnectionException","detail":"You must define rules using the POST "#
            + #"/2/tweets/search/stream/rules endpoint before connecting to filtered stream.","#
            + #""connection_issue":"RuleConfigurationIssue","#
            + #""type":"https://api.twitter.com/2/problems/streaming-connection"}"#)
    package static let tooManyConnections = Refusal(
        status: 429,
        body:
            #"{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","#
            + #""connection_issue":"TooManyConnections","#
            + #""type":"https://api.twitter.com/2/problems/streaming-connection"}"#)
    package static let usageCap = Refusal(
        status: 429,
        body: #"{"account_id":"1","product_name":"standard-basic","title":"UsageCapExceeded","period":"Monthly","#
            + #""scope":"Product","detail":"Usage cap exceeded: Monthly product cap","#
            + #""type":"https://api.twitter.com/2/problems/usage-capped"}"#)
    package static let rateLimit = Refusal(
        status: 429, body: #"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#)

    /// A server error as a gateway sends it: HTML.
    package static func serverError(_ status: Int = 503) -> Refusal {
        var refusal = Refusal(
            status: status,
            body: "<html>\r\n<head><title>\(status)</title></head>\r\n<body><h1>\(status)</h1></body>\r\n</html>\r\n")
        refusal.contentType = "text/html"
        return refusal
    }

    /// A request that X does not understand.
    static func invalidRequest(_ message: String) -> Refusal {
        var writer = JSONWriter()
        writer.object { problem in
            problem.field("errors", objects: [message]) { object, message in
                object.field("parameters") { _ in }
                object.field("message", message)
            }
            problem.field("title", "Invalid Request")
            problem.field("detail", "One or more parameters to your request was invalid.")
            problem.field("type", "https://api.twitter.com/2/problems/invalid-request")
        }
        return Refusal(status: 400, body: String(decoding: writer.bytes, as: UTF8.self))
    }

    static let named: [String: Refusal] = [
        "unauthorized": .unauthorized, "credits-depleted": .creditsDepleted, "forbidden": .forbidden,
        "no-rules": .noRules, "too-many-connections": .tooManyConnections, "usage-cap": .usageCap,
        "rate-limit": .rateLimit, "server-error": .serverError(),
    ]

    private enum CodingKeys: String, CodingKey {
        case status, body, headers, filler
        case contentType = "content_type"
    }

    /// Reads a name (`"rate-limit"`) or an object with `status` and, if wanted, `body`, `content_type`, `headers`,
    /// `filler`.
    package init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self) {
            guard let refusal = Self.named[name] else {
                let names = Self.named.keys.sorted().joined(separator: ", ")
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "no answer \(name); there are: \(names)"))
            }
            self = refusal
            return
        }
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self = .serverError(try values.decode(Int.self, forKey: .status))
        if let body = try values.decodeIfPresent(String.self, forKey: .body) {
            self.body = body
            contentType = "application/problem+json"
        }
        contentType = try values.decodeIfPresent(String.self, forKey: .contentType) ?? contentType
        headers = try values.decodeIfPresent([String: String].self, forKey: .headers) ?? [:]
        filler = try values.decodeIfPresent(Int.self, forKey: .filler)
    }
}
