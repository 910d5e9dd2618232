import Core
import Glibc
import KafkaClient

/// The names of a process's members in Kafka's group (`group.instance.id`), the same after a restart: by them, Kafka recognises
/// a loader that was killed and started again, and does not wait for its session to time out (KIP-345).
///
/// A name consists of host, topic and a number. Each number is held by an abstract socket (unix(7)), which the kernel releases
/// with the process: so loaders on one host have different names, and a restarted one gets the lowest that is free.
struct MemberNames {
    let names: [String]
    private let sockets: [HeldName]

    /// More loaders of one topic on one host have members without names.
    private static let most = 256

    /// Holds names; nil when the host has none left.
    ///
    /// - Parameters:
    ///   - settings: group, topic and Kafka's addresses.
    ///   - count: of the names.
    init?(_ settings: LoaderSettings, count: Int) {
        var names: [String] = []
        var sockets: [HeldName] = []
        for number in 1...Self.most where names.count < count {
            guard let socket = HeldName(Self.scope(settings, number)) else { continue }
            sockets.append(socket)
            names.append(Self.name(host: LoaderSettings.hostName, topic: settings.topic, number: number))
        }
        guard names.count == count else { return nil }
        self.names = names
        self.sockets = sockets
    }

    /// What is held on this host for a name.
    private static func scope(_ settings: LoaderSettings, _ number: Int) -> String {
        "\(settings.kafka.bootstrapServers) \(settings.group) \(settings.topic) \(number)"
    }

    /// The number of a name that a loader of this host can have; nil for any other name.
    static func number(of name: String, _ settings: LoaderSettings) -> Int? {
        (1...most).first { Self.name(host: LoaderSettings.hostName, topic: settings.topic, number: $0) == name }
    }

    /// Whether a process of this host holds a name; does not hold it itself.
    static func isHeld(_ name: String, _ settings: LoaderSettings) -> Bool {
        number(of: name, settings).map { HeldName.isHeld(scope(settings, $0)) } ?? false
    }

    /// One name, of what Kafka accepts in it: at most 249 letters, digits, '.', '_' and '-', as in a topic's name
    /// (Kafka, `JoinGroupRequest.validateGroupInstanceId`).
    ///
    /// - Parameters:
    ///   - host: the name of the host, of which other characters are replaced, and the end is cut when it does not fit.
    ///   - topic: the topic of tweets.
    ///   - number: of the member, from 1.
    /// - Returns: the name.
    static func name(host: String, topic: String, number: Int) -> String {
        let end = "-\(topic)-\(number)"
        let legal = host.unicodeScalars.map { scalar in
            let character = Character(scalar)
            let isLegal = character.isASCII && (character.isLetter || character.isNumber || "._-".contains(character))
            return isLegal ? character : "-"
        }
        return String(legal.prefix(249 - end.utf8.count)) + end
    }
}

/// A name that one process of the host holds at a time.
private final class HeldName: Sendable {
    private let descriptor: Int32

    /// - Parameter name: of any length.
    init?(_ name: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let label = Array("\0\(Self.label(name))".utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: label) }
        let size = socklen_t(MemoryLayout<sa_family_t>.size + label.count)
        let isOurs = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, size) == 0 }
        }
        guard isOurs else { return nil }
    }

    /// FNV-1a: a name may be longer than an address.
    private static func label(_ name: String) -> String {
        let hash = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "tweet-loader-\(String(hash, radix: 16))"
    }

    /// Whether a process has the name, of this process's network namespace (proc(5), net/unix: `@` begins an abstract address).
    static func isHeld(_ name: String) -> Bool {
        // Other programs' names may be any bytes.
        let sockets = String(decoding: (try? readWholeFile("/proc/net/unix")) ?? [], as: UTF8.self)
        return sockets.split(separator: "\n").contains { $0.hasSuffix(" @\(label(name))") }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }
}
