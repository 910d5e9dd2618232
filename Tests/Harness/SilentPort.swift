import Core
import Glibc

/// A port of 127.0.0.1 that accepts no connection and refuses none: its queue is full, so the kernel drops what comes.
package final class SilentPort: Sendable {
    package let port: Int
    private let descriptors: [Int32]

    /// - Throws: `FileError` when there is no port to listen on.
    package init() throws {
        let (listener, port) = try Loopback.listen(queue: 0)
        self.port = port
        descriptors = [listener] + (0..<4).map { _ in Loopback.begin(port) }
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }
}
