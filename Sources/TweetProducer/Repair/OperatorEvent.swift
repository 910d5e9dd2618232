import Core
import Glibc
import Journal
import Logging
import TweetFormat

/// An event that an operator adds to a stream's journal, through the producer that owns the journal, or without one directly.
struct OperatorEvent {
    /// The journal's folder and the stream in it.
    let folder: String
    let stream: String
    let event: PipelineEvent

    /// How long the producer has for it; it looks once a second, unless a repair is under way.
    private static let patience = Duration.seconds(20)

    private var path: String { folder + "/" + stream }

    /// Adds the event; returns whether it is durable, otherwise it is queued for the producer.
    ///
    /// - Throws: `JournalError` or `FileError` when the journal cannot be written; `JournalError` with `retry` when another request
    ///   is queued.
    func add() throws -> Bool {
        let journal: Journal
        do { journal = try Journal.open(folder: folder, stream: stream) } catch {
            guard error.disposition == .retry else { throw error }
            try EventRequest([event]).leave(in: path)
            let deadline = ContinuousClock.now + Self.patience
            while ContinuousClock.now < deadline {
                if EventRequest.waiting(in: path) == nil { return true }
                usleep(100_000)
            }
            return false
        }
        try journal.declareCrash(Logger(label: "tweet-producer"))
        try journal.append(event)
        try journal.sync()
        OpenGaps(folder: path).apply([event])
        return true
    }
}
