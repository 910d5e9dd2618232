import Glibc

/// Notifies systemd that the service is ready, alive, or ending, by its notification protocol (sd_notify(3)).
///
/// Without `NOTIFY_SOCKET` in the environment it does nothing.
struct Supervisor {
    /// How long its watchdog waits for a message (`WATCHDOG_USEC`); nil without one.
    let watchdog: Duration?

    private let socket: String?

    /// Whether somebody listens.
    var isThere: Bool { socket != nil }

    init(_ environment: [String: String]) {
        socket = environment["NOTIFY_SOCKET"]
        // A child that inherits the environment is not the one that is watched.
        let isMeant = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdog = socket != nil && isMeant && microseconds > 0 ? .microseconds(microseconds) : nil
    }

    /// Sends one assignment, such as `READY=1`; a missing listener is not an error.
    func tell(_ state: String) {
        guard let socket else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(socket.utf8)
        // A name that begins with @ stands for one in the abstract namespace (unix(7)).
        if name.first == UInt8(ascii: "@") { name[0] = 0 }
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard name.count < room else { return }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(state.utf8)
        // A supervisor that does not read must not hold up the service.
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        _ = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bytes.withUnsafeBytes {
                    unsafe sendto(descriptor, $0.baseAddress, $0.count, flags, pointer, length)
                }
            }
        }
    }
}
