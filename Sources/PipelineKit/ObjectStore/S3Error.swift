import Core
import HTTP

/// Why S3 did not do what it was asked, or cannot be asked.
package struct S3Error: DisposedError {
    /// `wait` when the same request may succeed later: S3 is unreachable, slow or busy, keys are denied or have ended, the
    /// bucket does not exist yet; `reject` for an object that S3 rejects, or whose file has changed: others may succeed;
    /// `operator` for an access key that is not one.
    package let disposition: Disposition
    /// Whether the keys have ended: newer ones may be there.
    package let hasExpiredKeys: Bool
    /// The HTTP status; nil when none came.
    package let status: Int?
    /// How long S3 asks to wait at least (`Retry-After`); an hour at most, nil when it does not ask.
    package let retryAfter: Duration?
    package let description: String

    init(_ disposition: Disposition, _ description: String) {
        (self.disposition, self.description) = (disposition, description)
        (status, retryAfter, hasExpiredKeys) = (nil, nil, false)
    }

    /// From an answer that is not what was asked for.
    init(_ operation: String, _ answer: HTTPAnswer) {
        let text = String(decoding: answer.body, as: UTF8.self)
        let code = S3XML.first("Code", in: text).map { Self.shown($0) }
        let message = S3XML.first("Message", in: text).map { Self.shown($0) }
        status = answer.status
        retryAfter = answer.retryAfter.map { min($0, .seconds(3600)) }
        hasExpiredKeys = code.map(Self.codesOfExpiredKeys.contains) ?? false
        disposition = !hasExpiredKeys && Self.isAboutObject(answer.status, code) ? .reject : .wait
        let said = [code, message].compactMap { $0 }.joined(separator: ": ")
        let remedy = Self.remedy(answer, code).map { ". \($0)" } ?? ""
        description = "\(operation): \(answer.status)\(said.isEmpty ? "" : " \(said)")\(remedy)"
    }

    private static let codesOfExpiredKeys = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestExpired"]

    private static func isAboutObject(_ status: Int, _ code: String?) -> Bool {
        switch (status, code) {
        case (400, "BadDigest"), (400, "XAmzContentSHA256Mismatch"), (400, "RequestTimeout"): false
        case (400, _), (405, _), (409, _), (411...417, _): true
        default: false
        }
    }

    private static func remedy(_ answer: HTTPAnswer, _ code: String?) -> String? {
        if let region = answer.headers["x-amz-bucket-region"], [301, 400].contains(answer.status) {
            return "The bucket's region is \(shown(region)) (AWS_REGION)"
        }
        switch (answer.status, code) {
        case (300...399, _): return "Redirects are not followed: set AWS_ENDPOINT_URL_S3 to the address itself"
        case (413, _), (_, "EntityTooLarge"): return "Lower S3_PART_BYTES"
        case (403, "RequestTimeTooSkewed"): return "Set this machine's clock"
        case (404, "NoSuchBucket"): return "Create the bucket, or name a different one"
        default: return nil
        }
    }

    /// A server's text for a log line: without secrets, short, and on one line.
    private static func shown(_ text: String) -> String {
        String(
            Redaction.cleanBody(text).prefix(200).map {
                $0.isNewline || $0.asciiValue.map { $0 < 32 } == true ? " " : $0
            })
    }
}

/// Reads the few elements that S3's answers are made of (Amazon S3 API Reference).
enum S3XML {
    /// The texts of all elements of a name, in their order. Elements within them stay as they are.
    static func all(_ name: String, in text: String) -> [String] {
        var found: [String] = []
        var rest = text[...]
        while let begin = rest.firstRange(of: "<\(name)>"),
            let end = rest[begin.upperBound...].firstRange(of: "</\(name)>")
        {
            found.append(unescaped(rest[begin.upperBound..<end.lowerBound]))
            rest = rest[end.upperBound...]
        }
        return found
    }

    static func first(_ name: String, in text: String) -> String? {
        all(name, in: text).first
    }

    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("&") else { return String(text) }
        let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")]
        return names.reduce(String(text)) { $0.replacing($1.0, with: $1.1) }
    }
}
