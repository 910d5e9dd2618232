import Core
import FoundationEssentials
import TweetFormat

/// Events that a command asks the producer that owns the journal to append: a file in the stream's folder, which stays until
/// they are durable. An event that is appended twice after a crash changes nothing.
package struct EventRequest: Codable, Equatable, Sendable {
    package var events: [PipelineEvent]

    private static let fileName = "event-request.json"

    package init(_ events: [PipelineEvent]) {
        self.events = events
    }

    /// Leaves the request.
    ///
    /// - Throws: `Failure` 75 when another request is still queued, 74 when the folder cannot be written.
    package func leave(in folder: String) throws(Failure) {
        guard Self.waiting(in: folder) == nil else {
            throw Failure(.tryAgain, "another request is queued in \(folder); try again in a few seconds")
        }
        guard let data = try? JSONEncoder().encode(self) else { return }
        do throws(FileError) {
            try JournalFolder.replace(Self.fileName, in: folder, with: String(decoding: data, as: UTF8.self) + "\n")
        } catch { throw Failure(.disk, "the request cannot be left for the producer that runs: \(error)") }
    }

    /// The request that is queued; nil when there is none. One that cannot be read is removed.
    package static func waiting(in folder: String) -> EventRequest? {
        let path = folder + "/" + fileName
        guard let bytes = try? readWholeFile(path) else { return nil }
        let request = try? JSONDecoder().decode(EventRequest.self, from: Data(bytes))
        if request == nil { try? JournalFolder.remove(path) }
        return request
    }

    /// Removes the request: its events are durable.
    func finish(in folder: String) {
        try? JournalFolder.remove(folder + "/" + Self.fileName)
    }
}

extension GapBook {
    /// Takes over what events of an operator say about gaps.
    package func apply(_ events: [PipelineEvent]) {
        for event in events where event.type == .gapClosed {
            guard let seq = event.seq else { continue }
            change([seq]) { gap in
                guard gap.status == .open else { return }
                (gap.status, gap.note) = (.accepted, event.detail)
            }
        }
    }
}
