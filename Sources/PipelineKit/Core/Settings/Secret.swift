/// A value that never shows itself in logs, errors or debug output, nor in what libraries write (`Redaction`).
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The value itself, for the one call that needs it.
    package let value: String

    package init(_ value: String) {
        self.value = value
        Redaction.remember(value)
    }

    package var description: String { "***" }
    package var debugDescription: String { "***" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
