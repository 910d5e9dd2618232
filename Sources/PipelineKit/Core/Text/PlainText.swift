extension String {
    /// The text with a space for each control character, so that it cannot disturb a terminal.
    package var plain: String {
        String(UnicodeScalarView(unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    /// The text in at most this number of columns; an ellipsis stands for what is left out.
    ///
    /// - Parameter columns: nil for any number.
    /// - Returns: the text, or its beginning.
    package func cut(to columns: Int?) -> String {
        guard let columns, count > columns, columns > 0 else { return self }
        return prefix(columns - 1) + "…"
    }

    /// The text with spaces behind it.
    ///
    /// - Parameter width: the least number of characters of the result.
    /// - Returns: the text, at least as long as that.
    package func padded(_ width: Int) -> String {
        self + String(repeating: " ", count: Swift.max(0, width - count))
    }

    /// The text with spaces before it.
    ///
    /// - Parameter width: the least number of characters of the result.
    /// - Returns: the text, at least as long as that.
    package func leftPadded(_ width: Int) -> String {
        String(repeating: " ", count: Swift.max(0, width - count)) + self
    }
}
