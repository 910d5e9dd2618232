/// A request, as far as the services of this project read it.
package struct HTTPQuestion: Sendable {
    package var method: String
    /// Without the query; percent-encoded as it came.
    package var path: String
    /// Behind the question mark, percent-encoded; empty without one.
    package var query: String
    /// The header `Host`, or the authority of the URL.
    package var host: String?
    /// The header fields by their names in lower case.
    package var fields: [String: String]
    /// The body of a form; empty without one, and when it is longer than the server accepts.
    package var body: String

    package init(
        method: String = "GET", path: String, query: String = "", host: String? = nil, fields: [String: String] = [:],
        body: String = ""
    ) {
        (self.method, self.path, self.query, self.host) = (method, path, query, host)
        (self.fields, self.body) = (fields, body)
    }

    /// Whether it is a read, the only kind that changes nothing.
    package var isRead: Bool { method == "GET" || method == "HEAD" }
}

/// What is answered.
package struct HTTPAnswer: Equatable, Sendable {
    package var status: Int
    package var contentType: String
    /// Also for `HEAD`, whose body is not sent.
    package var body: String
    /// Header fields beside those that every answer has.
    package var fields: [String: String]

    package init(
        status: Int = 200, contentType: String = "text/plain; charset=utf-8", body: String,
        fields: [String: String] = [:]
    ) {
        (self.status, self.contentType, self.body, self.fields) = (status, contentType, body, fields)
    }
}
