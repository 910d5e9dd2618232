import Core
import HTTP
import TweetFormat

extension HTTPAnswer {
    /// X's `x-rate-limit-*` headers. The reset counts from the answer's own `Date`, so a wrong local clock does no harm.
    package var rateLimit: RateLimit {
        var result = RateLimit()
        result.limit = headers["x-rate-limit-limit"].flatMap { Int($0) }
        result.remaining = headers["x-rate-limit-remaining"].flatMap { Int($0) }
        if let reset = headers["x-rate-limit-reset"].flatMap({ Int64($0) }), (0..<1 << 40).contains(reset) {
            result.resetAfter = .seconds(reset - (date ?? .now()).milliseconds / 1000)
        }
        result.retryAfter = retryAfter
        return result
    }

    /// What the answer says, when it is not what was asked for.
    package var problem: Problem {
        if status == 200 { return Problem(notAStream: headers["content-type"], isPage: isPage) }
        let target = [301, 302, 303, 307, 308].contains(status) ? headers["location"] : nil
        return Problem(status: status, body: body, rateLimit: rateLimit, redirectTarget: target)
    }
}
