import Core
import Glibc
import Sandbox
import Synchronization
import TestSupport

@testable import TweetLoader

/// A pseudo-terminal (pty(7)) with a program on it that believes to talk to a person, and the screen that the person sees.
final class PseudoTerminal: Sendable {
    /// The side of the person.
    private let person: Int32
    /// Kept open, so that the terminal outlives the program and its modes can be compared.
    private let program: Int32
    private let child: ChildProcess
    private let seen = Mutex((screen: ScreenEmulator(columns: 80, rows: 24), bytes: [UInt8]()))
    /// How the terminal was before the program started.
    let modes: [UInt32]

    /// - Parameters:
    ///   - executable: the program, whose controlling terminal this becomes.
    ///   - arguments: its arguments.
    ///   - environment: added to ours; nil takes a variable away.
    ///   - columns: of the screen.
    ///   - rows: of the screen.
    /// - Throws: `FileError` without a pseudo-terminal, `Failure` when the program cannot be started.
    init(
        _ executable: String, _ arguments: [String], environment: [String: String?] = [:], columns: Int = 80,
        rows: Int = 24
    ) throws {
        person = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard person >= 0 else { throw FileError("open", "/dev/ptmx") }
        // ioctl_tty(2): TIOCSPTLCK and TIOCGPTN, which are macros that Swift does not see.
        var (locked, number): (Int32, Int32) = (0, 0)
        guard unsafe ioctl(person, 0x4004_5431, &locked) == 0, unsafe ioctl(person, 0x8004_5430, &number) == 0 else {
            throw FileError("unlock", "/dev/ptmx")
        }
        let path = "/dev/pts/\(number)"
        program = unsafe open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard program >= 0 else { throw FileError("open", path) }
        modes = Self.modes(of: program)
        // What was on the screen before; a program on the alternate screen must leave it alone.
        var command = ChildCommand(
            "/bin/sh",
            ["-c", #"printf 'before\r\n' >"$0"; exec setsid --ctty --wait "$@" <>"$0" >&0 2>&0"#, path, executable]
                + arguments)
        command.environment = ["TERM": "xterm-256color", "NO_COLOR": nil].merging(environment) { $1 }
        Self.resize(person, columns, rows)
        child = try ChildProcess(command)
        seen.withLock { $0.screen.resize(columns: columns, rows: rows) }
    }

    deinit {
        close(person)
        close(program)
        child.send(SIGKILL)
        _ = child.wait(timeout: .seconds(10))
    }

    // MARK: The person

    /// Types.
    func type(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(person, $0.baseAddress, $0.count) }
    }

    /// Makes the window larger or smaller.
    func resize(columns: Int, rows: Int) {
        _ = look()
        seen.withLock { $0.screen.resize(columns: columns, rows: rows) }
        Self.resize(person, columns, rows)
    }

    private static func resize(_ descriptor: Int32, _ columns: Int, _ rows: Int) {
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        _ = unsafe ioctl(descriptor, UInt(TIOCSWINSZ), &size)
    }

    /// Reads what the program has written so far.
    ///
    /// - Returns: the screen.
    @discardableResult
    func look() -> ScreenEmulator {
        seen.withLock { seen in
            var event = pollfd(fd: person, events: Int16(POLLIN), revents: 0)
            var piece = [UInt8](repeating: 0, count: 65_536)
            while unsafe poll(&event, 1, 0) == 1, event.revents & Int16(POLLIN) != 0 {
                let count = unsafe piece.withUnsafeMutableBytes { unsafe read(person, $0.baseAddress, $0.count) }
                guard count > 0 else { break }
                seen.bytes += piece.prefix(count)
                seen.screen.write(piece.prefix(count))
            }
            return seen.screen
        }
    }

    /// Everything that the program has written.
    var bytes: [UInt8] {
        look()
        return seen.withLock { $0.bytes }
    }

    /// Waits until the screen is as wanted.
    ///
    /// - Returns: whether it was in time.
    func shows(_ condition: (ScreenEmulator) -> Bool) -> Bool {
        eventually { condition(look()) }
    }

    /// Waits until a text is on the screen.
    func shows(_ text: String) -> Bool {
        shows { $0.text.contains(text) }
    }

    // MARK: The program

    /// The process group in the foreground.
    var foreground: pid_t { tcgetpgrp(person) }

    /// Waits for its end.
    ///
    /// - Returns: its exit status; nil when it still runs, or was ended by a signal.
    func status() -> Int32? {
        // Its last output must be read, or it could not end.
        _ = eventually {
            look()
            return child.exit != nil
        }
        if case .status(let status) = child.exit { return status }
        return nil
    }

    /// Whether the terminal is as it was before the program started: modes, screen and cursor.
    ///
    /// The kernel hands output on a little after it was written.
    var isAsBefore: Bool {
        eventually(within: .seconds(10)) {
            let screen = look()
            return Self.modes(of: program) == modes && !screen.isAlternate && screen.hasCursor && screen.wraps
                && screen.style == "" && screen.lines.first == "before"
        }
    }

    /// Whether keys are shown, and come line by line.
    var isCooked: Bool {
        var modes = termios()
        unsafe tcgetattr(program, &modes)
        return modes.c_lflag & tcflag_t(ECHO | ICANON) == tcflag_t(ECHO | ICANON)
    }

    private static func modes(of descriptor: Int32) -> [UInt32] {
        var modes = termios()
        guard unsafe tcgetattr(descriptor, &modes) == 0 else { return [] }
        return [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag]
    }
}
