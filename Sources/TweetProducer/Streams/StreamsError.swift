import Core

/// Why the streams of a host cannot be read, planned or changed.
struct StreamsError: DisposedError {
    /// `operator(.settings)` for `streams.yaml`, for files that are not ours and for what the supervisor does not read;
    /// `operator(.disk)` for files; `retry` when another command is at work or the supervisor is restarting; `wait` when the
    /// supervisor is unreachable.
    let disposition: Disposition
    let description: String

    /// - Parameters:
    ///   - disposition: what to do about it.
    ///   - description: what is wrong, where, and the remedy.
    init(_ disposition: Disposition, _ description: String) {
        (self.disposition, self.description) = (disposition, description)
    }

    /// - Parameter error: of a file of ours.
    init(_ error: FileError) {
        self.init(.operator(.disk), "\(error)")
    }
}
