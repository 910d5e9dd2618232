import Core

/// Why files cannot be replayed.
package struct ReplayError: DisposedError {
    /// `reject` for a file that is damaged or has no tweet: others may be published; `wait` when S3 is unreachable or rejects a
    /// request; `operator` for the disk, and for a source or a state file that does not fit.
    package let disposition: Disposition
    package let description: String

    init(_ disposition: Disposition, _ description: String) {
        (self.disposition, self.description) = (disposition, description)
    }

    /// An error of a file or a folder that is read; an error that says what to do about it keeps that.
    init(_ error: any Error) {
        switch error {
        case let error as ReplayError: self = error
        case let error as any DisposedError: self.init(error.disposition, "replay: \(error)")
        default: self.init(.operator(.disk), "replay: \(error)")
        }
    }
}
