import Core
import Glibc

/// The terminal at standard input and output as a screen: keys come one by one and are not shown, and what was on it before comes
/// back at the end (termios(3); xterm's control sequences).
///
/// Signals of the terminal stay on, so Ctrl-C and Ctrl-Z work as everywhere.
struct ScreenTerminal: ~Copyable {
    /// The alternate screen, without a cursor; a line that is too long does not go on in the next one.
    private static let begin = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J"
    /// The opposite.
    fileprivate static let end = "\u{1B}[0m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    let hasColours: Bool
    private var isInside = false

    /// Nil when standard input and output are not one terminal that can move its cursor.
    init?() {
        guard let terminal = Terminal.ofStandardOutput, isatty(STDIN_FILENO) == 1,
            !["", "dumb"].contains(ProcessEnvironment.current["TERM", default: ""])
        else { return nil }
        hasColours = terminal.hasColours
    }

    /// Takes the terminal over; a second call repeats what another program may have undone.
    mutating func enter() {
        if !isInside { TerminalModes.save() }
        TerminalModes.setRaw()
        isInside = true
        _ = write(Self.begin)
    }

    /// Gives the terminal back as it was.
    mutating func leave() {
        guard isInside else { return }
        isInside = false
        _ = write(Self.end)
        TerminalModes.restore()
    }

    /// The size; 80x24 when the system does not know it.
    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Shows lines in place of those before, at once.
    ///
    /// - Returns: false when the terminal was closed.
    func draw(_ lines: [ScreenLine]) -> Bool {
        let (columns, rows) = size
        var text = ""
        for (row, line) in lines.prefix(rows).enumerated() {
            text += "\u{1B}[\(row + 1);1H\(line.fitting(columns).encoded(hasColours: hasColours))"
            // In the last column the cursor stands on the last character, which would be erased.
            if line.width < columns { text += "\u{1B}[K" }
        }
        if lines.count < rows { text += "\u{1B}[\(lines.count + 1);1H\u{1B}[J" }
        return write(text)
    }

    /// What was typed; empty when nothing was, nil when the terminal was closed.
    func read() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.read(STDIN_FILENO, $0.baseAddress, $0.count) }
        if count < 0 { return errno == EINTR || errno == EAGAIN ? [] : nil }
        return count == 0 ? nil : Array(bytes.prefix(count))
    }

    private func write(_ text: String) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 {
                guard errno == EINTR || errno == EAGAIN else { return false }
                continue
            }
            bytes = bytes.dropFirst(count)
        }
        return true
    }
}

/// The modes of the terminal, kept where the handler of a fatal signal finds them.
private enum TerminalModes {
    // Safe: written only by the thread that draws, and before the handlers are installed that read it.
    nonisolated(unsafe) private static let saved = UnsafeMutablePointer<termios>.allocate(capacity: 1)

    /// Remembers how the terminal is, and gives it back even when the program crashes.
    static func save() {
        unsafe saved.initialize(to: termios())
        guard unsafe tcgetattr(STDIN_FILENO, saved) == 0 else { return }
        for number in [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE] {
            var action = sigaction()
            unsafe action.__sigaction_handler.sa_handler = { number in
                // Only functions that may be called in a handler (signal-safety(7)). The next signal ends the process.
                var text: StaticString { "\u{1B}[0m\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l" }
                _ = unsafe Glibc.write(STDOUT_FILENO, text.utf8Start, text.utf8CodeUnitCount)
                TerminalModes.restore()
                raise(number)
            }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            unsafe sigaction(number, &action, nil)
        }
    }

    /// Keys come one by one, unseen; output is written as it is but for line ends.
    static func setRaw() {
        var modes = unsafe saved.pointee
        modes.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
        modes.c_iflag &= ~tcflag_t(ICRNL | INLCR)
        unsafe tcsetattr(STDIN_FILENO, TCSADRAIN, &modes)
    }

    static func restore() {
        unsafe tcsetattr(STDIN_FILENO, TCSANOW, saved)
    }
}
