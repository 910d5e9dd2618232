import Core
import Foundation

/// The reason that an operator gives for an event.
enum OperatorReason {
    /// Reads the reason that an operator gives.
    ///
    /// - Throws: `Failure` (64) when it is empty or longer than 1,000 characters.
    static func read(_ text: String) throws(Failure) -> String {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard (1...1000).contains(trimmed.count) else {
            throw Failure(.usage, "--reason: must have 1 to 1,000 characters")
        }
        return trimmed
    }
}
