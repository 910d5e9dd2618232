import Core
import Journal
import TweetFormat

/// Events that a command asks the producer that owns the journal to append: a file in the stream's folder, which stays until
/// they are durable. An event that is appended twice after a crash changes nothing.
package struct EventRequest: Codable, Equatable, Sendable {
    package var events: [PipelineEvent]

    private static func file(in folder: String) -> StateFile<EventRequest> {
        StateFile("event-request.json", in: folder)
    }

    package init(_ events: [PipelineEvent]) {
        self.events = events
    }

    /// Leaves the request.
    ///
    /// - Throws: `JournalError`: `retry` when another request is still queued, `operator` when the folder cannot be written.
    package func leave(in folder: String) throws(JournalError) {
        guard Self.waiting(in: folder) == nil else {
            throw JournalError(.retry, "another request is queued in \(folder); try again in a few seconds")
        }
        do throws(FileError) { try Self.file(in: folder).write(self) } catch {
            throw JournalError(
                .operator(.disk), "the request to the running producer cannot be written: \(error)")
        }
    }

    /// The request that is queued; nil when there is none. One that cannot be read is removed.
    package static func waiting(in folder: String) -> EventRequest? {
        let file = file(in: folder)
        do throws(FileError) { return try file.read() } catch {
            if error.isDamaged { try? file.remove() }
            return nil
        }
    }

    /// Removes the request: its events are durable.
    func finish(in folder: String) {
        try? Self.file(in: folder).remove()
    }
}
