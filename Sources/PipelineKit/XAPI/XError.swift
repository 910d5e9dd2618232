import Core

/// Why X cannot be asked, or did not do what it was asked.
package struct XError: DisposedError {
    /// `retry` when a limit of X is reached or another client is in the way; `wait` when X is unreachable, fails, or answers
    /// what is not understood; `reject` for a request, a rule or a rules file that is wrong; `operator` for credentials that X
    /// denies, and for settings: a token that cannot be read, fields that X does not know.
    package let disposition: Disposition
    package let description: String
    /// How long X asks to wait; nil when it does not.
    package let retryAfter: Duration?

    /// - Parameters:
    ///   - disposition: what to do about it.
    ///   - description: the call or the file, the reason, and the remedy.
    ///   - retryAfter: how long X asks to wait.
    package init(_ disposition: Disposition, _ description: String, retryAfter: Duration? = nil) {
        (self.disposition, self.description, self.retryAfter) = (disposition, description, retryAfter)
    }
}
