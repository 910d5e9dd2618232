import TweetFormat

/// What one line turned out to be.
package enum DecodedLine: Sendable, Equatable {
    /// A tweet, whose row was appended; `isAltered` when its text had to be repaired.
    case tweet(id: Int64, isAltered: Bool)
    /// Something that happened to the stream, written by our own journal.
    case event(PipelineEvent)
    /// An operational message of X: `errors` and no `data`.
    case control(ControlMessage)
    /// Nothing that can be stored; it goes to the rejects with the bytes it came with.
    case reject(LineReject)
}
