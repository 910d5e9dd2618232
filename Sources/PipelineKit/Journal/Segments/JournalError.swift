import Core

/// Why a journal cannot be used, read or archived.
package struct JournalError: DisposedError {
    /// `retry` when another process holds it or no file descriptor is free; `reject` for a file whose content is not what was
    /// written; `rebuild` for a checkpoint that is damaged or another journal's; `operator` for the disk and for settings.
    package let disposition: Disposition
    package let description: String

    package init(_ disposition: Disposition, _ description: String) {
        (self.disposition, self.description) = (disposition, description)
    }

    /// An error of a file of the journal; errors that are no `FileError` keep their disposition.
    init(_ error: any Error) {
        switch error {
        case let error as JournalError: self = error
        case let error as FileError where error.isOutOfDescriptors: self.init(.retry, "journal: \(error)")
        case let error as any DisposedError: self.init(error.disposition, error.description)
        default: self.init(.operator(.disk), "journal: \(error)")
        }
    }
}
