import Glibc

/// Reads lines from a pipe's reading end, which it owns.
final class LineReader: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// The next line without its end; nil at the end of the output or after `timeout`. Reads byte by byte: for a few lines.
    func readLine(timeout: Duration) -> String? {
        let deadline = ContinuousClock.now + timeout
        var line: [UInt8] = []
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard left > .zero, unsafe poll(&wanted, 1, Int32(clamping: left.milliseconds + 1)) > 0 else { return nil }
            var byte: UInt8 = 0
            guard unsafe read(descriptor, &byte, 1) == 1 else { return nil }
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
    }

    func readAll() -> String {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { all += buffer[..<count] } else if count == 0 || errno != EINTR { break }
        }
        return String(decoding: all, as: UTF8.self)
    }
}
