import Core

/// Why X cannot be asked, or did not do what it was asked.
package struct XError: DisposedError {
    /// `retry` when a limit of X is reached or another client is in the way; `wait` when X is unreachable, fails, or answers
    /// what is not understood; `reject` for a request, a rule or a rules file that is wrong; `operator` for credentials that X
    /// denies, and for settings: a token that cannot be read, fields that X does not know.
    package let disposition: Disposition
    package let description: String

    /// - Parameters:
    ///   - disposition: what to do about it.
    ///   - description: the call or the file, the reason, and the remedy.
    package init(_ disposition: Disposition, _ description: String) {
        (self.disposition, self.description) = (disposition, description)
    }
}
