/// Why a line is not a row.
package struct LineReject: Error, Sendable, Equatable {
    /// The kinds of reject; their raw values are stable: people count and select by them.
    package enum Code: String, Sendable, CaseIterable {
        /// The bytes are no JSON document, also after repair.
        case notJSON = "not_json"
        /// Objects and arrays are nested more than 1,024 deep.
        case tooDeep = "too_deep"
        /// A number that no double holds, such as `1e999`.
        case numberOutOfRange = "number_out_of_range"
        /// The line is longer than is parsed.
        case tooLarge = "too_large"
        /// JSON, but not a message of the stream: no `data` object with `id` and `text`, no `errors`, no event.
        case notATweet = "not_a_tweet"
        /// `data.id` is there, but no decimal id of 1 to 19 digits up to 2^63 - 1.
        case badID = "bad_id"
    }

    /// The kind.
    package let code: Code
    /// What exactly, for a person; never a part of the line.
    package let detail: String

    /// The kind as it is stored.
    package var reason: String { code.rawValue }

    package init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }
}
