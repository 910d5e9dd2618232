import Core
import Operations
import Synchronization

/// Who may come in: readers with the token, or with the cookie that a login with the token has given them.
final class Door: Sendable {
    private struct Visit {
        let cookie: [UInt8]
        let token: [UInt8]
        let until: ContinuousClock.Instant
    }

    private struct State {
        var visits: [Visit] = []
        var failures: [ContinuousClock.Instant] = []
    }

    /// What a request may do.
    enum Verdict: Equatable {
        case welcome
        case stranger
        /// Too many wrong tokens: none is looked at for a while.
        case shut
    }

    private let token: StatusToken
    private let state = Mutex(State())

    static let cookieName = "tweet_console"
    private static let stay = Duration.seconds(12 * 3600)
    private static let mostVisits = 100
    private static let mostFailures = 5
    private static let window = Duration.seconds(60)

    /// - Parameter token: the token that is asked for.
    init(_ token: StatusToken) { self.token = token }

    /// Judges a request by its cookie or its header.
    func verdict(on question: HTTPQuestion) -> Verdict {
        if hasCookie(question.fields["cookie"]) { return .welcome }
        guard let authorization = question.fields["authorization"] else { return .stranger }
        guard !isShut else { return .shut }
        return token.accepts(authorization) ? .welcome : fail()
    }

    /// A login by the form.
    ///
    /// - Parameter given: what was entered.
    /// - Returns: the cookie's value for a right token, else why not.
    func login(_ given: String) -> (verdict: Verdict, cookie: String?) {
        guard !isShut else { return (.shut, nil) }
        guard token.accepts("Bearer \(given)") else { return (fail(), nil) }
        var random = SystemRandomNumberGenerator()
        let words: [UInt64] = (0..<4).map { _ in random.next() }
        let cookie = words.map { String($0, radix: 36) }.joined(separator: "-")
        let visit = Visit(cookie: Array(cookie.utf8), token: token.bytes, until: .now + Self.stay)
        state.withLock { state in
            state.visits.removeAll { $0.until < .now }
            if state.visits.count >= Self.mostVisits { state.visits.removeFirst() }
            state.visits.append(visit)
        }
        return (.welcome, cookie)
    }

    private var isShut: Bool {
        state.withLock { state in
            state.failures.removeAll { $0 + Self.window < .now }
            return state.failures.count >= Self.mostFailures
        }
    }

    private func fail() -> Verdict {
        state.withLock { $0.failures.append(.now) }
        return .stranger
    }

    private func hasCookie(_ header: String?) -> Bool {
        let prefix = "\(Self.cookieName)="
        let given = (header ?? "").split(separator: ";").map { $0.trimmed }.filter { $0.hasPrefix(prefix) }
            .map { Array($0.utf8.dropFirst(prefix.utf8.count)) }
        guard let cookie = given.first else { return false }
        // A new token ends the visits of the old one.
        let now = token.bytes
        return state.withLock { state in
            var isKnown = false
            for visit in state.visits where visit.until > .now && visit.token == now {
                if areEqual(visit.cookie, cookie) { isKnown = true }
            }
            return isKnown
        }
    }
}
