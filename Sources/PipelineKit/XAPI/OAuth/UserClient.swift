import Core
import HTTP
import TweetFormat

/// How a call on behalf of a user is authenticated.
package enum UserAuthorization: Sendable {
    case bearer(Secret)
    case oauth1(OAuth1Keys)
}

/// What X answered to a call on behalf of a user.
package enum UserAnswer: Sendable {
    /// A 200.
    ///
    /// - Parameters:
    ///   - body: JSON.
    ///   - limit: the state of the rate limit.
    ///   - date: X's clock; nil when the answer does not say.
    case page(body: [UInt8], limit: RateLimit, date: Timestamp?)
    case problem(Problem)
    /// No answer, as libcurl describes it.
    case unreachable(String)
}

/// Calls X on behalf of users, one at a time; keeps the connection open from call to call. Owned by one thread.
package final class UserClient {
    private let url: String
    private let caFile: String?
    private let timeout: Duration
    private let stop: Stop
    private let multi: CurlMulti

    /// A page of 100 posts with everything included has some 500 kB.
    private static let bodyLimit = 16 << 20

    /// - Parameters:
    ///   - url: X's base URL, such as `https://api.x.com`.
    ///   - caFile: certificates to trust instead of the system's.
    ///   - timeout: of a call, from the connection to the end of the answer.
    ///   - stop: ends a call that is under way.
    /// - Throws: `XError` when libcurl has no memory.
    package init(
        url: String, caFile: String?, timeout: Duration = .seconds(30), stop: Stop
    ) throws(XError) {
        (self.url, self.caFile, self.timeout, self.stop) = (url, caFile, timeout, stop)
        do { multi = try CurlMulti() } catch { throw XError(.wait, "libcurl: \(error)") }
    }

    /// Asks for something.
    ///
    /// - Parameters:
    ///   - path: such as `/2/users/me`.
    ///   - query: names and values, not yet escaped.
    ///   - authorization: of the user.
    /// - Returns: X's answer.
    package func get(
        _ path: String, query: [(name: String, value: String)], as authorization: UserAuthorization
    ) -> UserAnswer {
        let parameters = formEncoded(query.map { ($0.name, $0.value) })
        var request = HTTPRequest(
            url: url + path + (parameters.isEmpty ? "" : "?" + parameters), token: Secret(""), caFile: caFile,
            connectTimeout: min(timeout, .seconds(10)), totalTimeout: timeout)
        request.keepsConnection = true
        switch authorization {
        case .bearer(let token): request.token = token
        case .oauth1(let keys):
            request.authorization = OAuth1Signature.header("GET", url + path, query: query, keys: keys)
        }
        let answer = HTTPAnswer(bodyLimit: Self.bodyLimit)
        do {
            var transfer = try CurlTransfer(answer: answer)
            try transfer.prepare(request)
            try multi.run(transfer, until: stop)
        } catch {
            return .unreachable("GET \(url)\(path): \(error)")
        }
        guard answer.status == 200, !answer.isPage, !answer.isBodyCut else { return .problem(answer.problem) }
        return .page(body: answer.body, limit: answer.rateLimit, date: answer.date)
    }
}
