import Core
import Glibc

/// Where the streams of a host answer HTTP requests about themselves (`LISTEN`), each at an address of its own.
///
/// A stream whose settings name none has a port of 127.0.0.1. It stands in the stream's settings file, from which the next
/// apply reads it: so a port stays while the stream is active, whatever comes before or behind it in the file.
struct StreamAddresses {
    /// The setting of `run`.
    static let setting = ListeningSettings.listen.address
    /// The value that stands for no address.
    static let off = "off"
    private static let host = "127.0.0.1:"

    /// Addresses of the streams that name none, by the stream's name.
    private(set) var derived: [String: String] = [:]

    /// - Parameters:
    ///   - named: what the active streams name, by the stream's name; nil for those that name none.
    ///   - current: what their settings files have now, by the stream's name.
    ///   - first: the first port.
    ///   - isFree: whether nobody listens at a port.
    init(_ named: [String: String?], current: [String: String], from first: Int, isFree: (Int) -> Bool) {
        var taken = Set(named.values.compactMap { $0.flatMap(Self.port) })
        let others = named.filter { $0.value == nil }.keys.sorted()
        for name in others {
            guard let address = current[name], address.hasPrefix(Self.host), let port = Self.port(address),
                taken.insert(port).inserted
            else { continue }
            derived[name] = address
        }
        for name in others where derived[name] == nil {
            guard let port = (first...65_535).first(where: { !taken.contains($0) && isFree($0) }) else { continue }
            taken.insert(port)
            derived[name] = Self.host + "\(port)"
        }
    }

    /// The port of an address; nil for `off` and whatever is none.
    ///
    /// - Parameter address: `host:port`.
    /// - Returns: the port.
    static func port(_ address: String) -> Int? {
        address.lastIndex(of: ":").flatMap { Int(address[address.index(after: $0)...]) }
    }

    /// Whether nobody listens at a port of 127.0.0.1 just now.
    ///
    /// - Parameter port: which.
    /// - Returns: false also for a port that this process may not use.
    static func isFree(_ port: Int) -> Bool {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0, let number = UInt16(exactly: port) else { return false }
        defer { close(socket) }
        // As servers do: a connection that has just ended keeps nobody out.
        var isOn: Int32 = 1
        _ = unsafe setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = number.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(socket, $0, size) }
        } == 0
    }
}

/// The streams' HTTP addresses as a list for Prometheus (`file_sd_configs`), beside their settings files.
struct PrometheusTargets {
    static let fileName = "prometheus-targets.json"

    private let path: String

    /// - Parameter folder: of the settings files.
    init(folder: String) { path = "\(folder)/\(Self.fileName)" }

    /// Replaces the list; without an address there is no file.
    ///
    /// - Parameter streams: settings of the active streams.
    /// - Throws: `FileError` when the disk refuses.
    func write(_ streams: some Sequence<StreamSettingsFile>) throws(FileError) {
        // One a line, so that differences are easy to read.
        let lines = streams.sorted { $0.stream < $1.stream }.compactMap { stream in
            stream.listen.map { address in
                let (target, name) = (JSONText.string(Self.target(address)), JSONText.string(stream.stream))
                return "  {\"targets\": [\(target)], \"labels\": {\"stream\": \(name)}}"
            }
        }
        try JournalFolder.remove(path + DurableText.aside)
        if lines.isEmpty { return try JournalFolder.remove(path) }
        let text = "[\n\(lines.joined(separator: ",\n"))\n]\n"
        if (try? readTextFile(path)) == text { return }
        try DurableText.replace(path, with: text, owner: nil, group: nil, mode: 0o644)
    }

    /// The file is read on this host: where a stream listens on every address, the loopback is one of them.
    private static func target(_ address: String) -> String {
        for (all, own) in [("0.0.0.0:", "127.0.0.1:"), ("[::]:", "[::1]:")] where address.hasPrefix(all) {
            return own + address.dropFirst(all.count)
        }
        return address
    }
}
