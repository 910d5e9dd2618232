package import Core
internal import Testing
internal import TweetFormat
package import TweetProducer

/// A gap as the reader opens it when a connection ends.
///
/// - Parameters:
///   - seq: the number of its event, and its connection.
///   - from: when it began, in seconds after `now`.
///   - to: when it ended, in seconds after `now`; nil while it lasts.
///   - cause: why the connection ended.
///   - now: the time of the test.
/// - Returns: the gap, behind the post 1.
/// - Throws: when the event opens none.
package func gap(
    _ seq: Int64, _ from: Int, _ to: Int?, cause: String = "reset", of now: Timestamp
) throws -> StreamGap {
    var event = PipelineEvent(.disconnected, at: now.advanced(by: .seconds(from)), connection: seq, cause: cause)
    event.newestID = "1"
    var gap = try #require(StreamGap(event, seq: seq))
    gap.ended = to.map { now.advanced(by: .seconds($0)).milliseconds }
    return gap
}
