/// The names that a stream can have.
package enum StreamName {
    /// The rule, as messages say it.
    package static let rule = "a name of 1 to 64 letters, digits, '.', '_' or '-' that begins with a letter or digit"

    /// Whether a stream can have this name, which also names its folder in the journal: it means nothing of its own to a
    /// shell or a file system.
    package static func isValid(_ name: String) -> Bool {
        let isPlain = { (byte: UInt8) in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        }
        return (1...64).contains(name.utf8.count) && name.utf8.first.map(isPlain) == true
            && name.utf8.allSatisfy { isPlain($0) || [45, 46, 95].contains($0) }
    }
}
