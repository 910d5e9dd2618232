import Core
import Journal

/// What a command that has changed rules at X asks of the producers that run: to read the rules now, not at the next check.
///
/// A file in the stream's folder, which the producer deletes. Losing it loses nothing: the next check finds the change.
package enum RuleCheckRequest {
    private static let fileName = "rules-request"

    /// Leaves a request for every stream that has a journal in this folder; rules belong to an app, which may have several.
    package static func leave(in journalFolder: String) {
        for stream in (try? JournalStatus.streams(in: journalFolder)) ?? [] {
            try? JournalFolder.replace(fileName, in: "\(journalFolder)/\(stream)", with: "\(Timestamp.now())\n")
        }
    }

    /// Takes and removes the request, if there is one.
    package static func take(from folder: String) -> Bool {
        let path = "\(folder)/\(fileName)"
        return (try? readWholeFile(path)) != nil && (try? JournalFolder.remove(path)) != nil
    }
}
