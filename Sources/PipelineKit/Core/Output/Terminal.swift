import Glibc

/// What a terminal shows.
package struct Terminal {
    /// Nil when lines may have any length.
    package var columns: Int?
    /// Nil when text may have any number of lines.
    package var rows: Int?
    /// Whether it shows colours (no-color.org).
    package var hasColours: Bool

    package init(columns: Int?, rows: Int? = nil, hasColours: Bool = false) {
        (self.columns, self.rows, self.hasColours) = (columns, rows, hasColours)
    }

    /// The terminal at standard output, as wide as it is; it may scroll, so the number of lines is free. Nil when standard
    /// output is no terminal.
    package static var ofStandardOutput: Terminal? {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        let hasColours =
            ProcessEnvironment.current["NO_COLOR", default: ""].isEmpty && ProcessEnvironment.current["TERM"] != "dumb"
        return Terminal(columns: windowSize?.columns, hasColours: hasColours)
    }

    /// The same terminal with its number of lines, less some.
    ///
    /// - Parameter lines: what is printed beside the text.
    /// - Returns: the room for text that must not scroll.
    package func screen(without lines: Int) -> Terminal {
        var screen = self
        screen.rows = Self.windowSize?.rows.map { $0 - lines }
        return screen
    }

    /// The size of standard output; nil when the system does not report one.
    private static var windowSize: (columns: Int, rows: Int?)? {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return (Int(size.ws_col), size.ws_row > 0 ? Int(size.ws_row) : nil)
    }
}
