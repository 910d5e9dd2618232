/// Kafka's wire protocol as far as `KafkaFront` looks into it (Kafka protocol guide, "Protocol Primitive Types").
struct KafkaWire {
    private(set) var bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    // MARK: reading; what is not there reads as nothing

    mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self) -> Integer {
        take(MemoryLayout<Integer>.size).reduce(0) { $0 << 8 | Integer(truncatingIfNeeded: $1) }
    }

    mutating func take(_ count: Int) -> ArraySlice<UInt8> {
        let end = min(bytes.count, position + max(0, count))
        defer { position = end }
        return bytes[position..<end]
    }

    /// A string with a length of 16 bits; nil for null.
    mutating func string() -> [UInt8]? {
        let length = integer(Int16.self)
        return length < 0 ? nil : Array(take(Int(length)))
    }

    mutating func rest() -> ArraySlice<UInt8> { take(bytes.count) }

    // MARK: writing

    mutating func append<Integer: FixedWidthInteger>(_ value: Integer) {
        for shift in stride(from: value.bitWidth - 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> Integer(shift)))
        }
    }

    mutating func append(string: [UInt8]?) {
        append(Int16(string?.count ?? -1))
        bytes += string ?? []
    }

    mutating func append(_ more: some Sequence<UInt8>) {
        bytes += more
    }
}

/// The answers that `KafkaFront` changes or gives itself; each begins with the correlation id and has no size in front.
enum KafkaAnswer {
    /// A request's kind (protocol guide, "Api keys").
    enum Kind {
        static let produce: Int16 = 0
        static let metadata: Int16 = 3
        static let findCoordinator: Int16 = 10
        static let apiVersions: Int16 = 18
        static let saslHandshake: Int16 = 17
        static let saslAuthenticate: Int16 = 36
        static let describeConfigs: Int16 = 32
    }

    /// Asks for an older version of the request for versions (KIP-511), because later ones have another format.
    static func olderVersions(_ correlation: Int32) -> [UInt8] {
        var answer = KafkaWire()
        answer.append(correlation)
        // 35: UNSUPPORTED_VERSION.
        answer.append(Int16(35))
        answer.append(Int32(1))
        for number in [Kind.apiVersions, 0, 2] { answer.append(number) }
        return answer.bytes
    }

    /// The kinds of requests that are taken, those that are changed in versions that are known here, and SASL's when there
    /// is any.
    static func apiVersions(
        _ answer: [UInt8], hasSASL: Bool, hasPhantoms: Bool = false, hasSettings: Bool = false,
        hasMembers: Bool = false
    ) -> [UInt8] {
        var old = KafkaWire(answer)
        var new = KafkaWire()
        new.append(old.integer(Int32.self))
        new.append(old.integer(Int16.self))
        let count = old.integer(Int32.self)
        new.append(count + (hasSASL ? 2 : 0) + (hasSettings ? 1 : 0) + (hasMembers ? 1 : 0))
        for _ in 0..<count {
            let (kind, low, high) = (old.integer(Int16.self), old.integer(Int16.self), old.integer(Int16.self))
            var known: [Int16: Int16] = [Kind.produce: 7, Kind.metadata: 4, Kind.findCoordinator: 2]
            if hasPhantoms { known.merge([fetch: 4, listOffsets: 1]) { $1 } }
            for number in [kind, low, min(high, known[kind] ?? high)] { new.append(number) }
        }
        if hasSASL {
            for number in [Kind.saslHandshake, 0, 1, Kind.saslAuthenticate, 0, 0] as [Int16] { new.append(number) }
        }
        if hasSettings { for number in [describeConfigs, 0, 0] { new.append(number) } }
        if hasMembers { for number in [describeGroups, 4, 4] { new.append(number) } }
        new.append(old.rest())
        return new.bytes
    }

    /// Metadata whose brokers are all at `port` of 127.0.0.1 or of a name, with at most so many partitions of a topic; some are
    /// hidden.
    static func metadata(
        _ answer: [UInt8], version: Int16, port: Int, partitions limit: Int, denied: Set<String> = [],
        hosts: [Int32: String] = [:]
    ) -> [UInt8] {
        var old = KafkaWire(answer)
        var new = KafkaWire()
        new.append(old.take(version >= 3 ? 8 : 4))
        let brokers = old.integer(Int32.self)
        var broker: Int32 = -1
        new.append(brokers)
        for _ in 0..<brokers {
            broker = old.integer(Int32.self)
            new.append(broker)
            let host = old.string()
            new.append(string: hosts[broker].map { Array($0.utf8) } ?? host)
            _ = old.integer(Int32.self)
            new.append(Int32(port))
            if version >= 1 { new.append(string: old.string()) }
        }
        if version >= 2 { new.append(string: old.string()) }
        // The mock cluster names no controller; every broker can be one.
        if version >= 1 {
            _ = old.take(4)
            new.append(broker)
        }
        // A broker does not list what an ACL hides.
        let topics = (0..<old.integer(Int32.self)).compactMap { _ in topic(&old, version: version, limit, denied) }
        new.append(Int32(topics.count))
        for topic in topics { new.append(topic) }
        new.append(old.rest())
        return new.bytes
    }

    /// A group's coordinator, which is at `port` of 127.0.0.1, too.
    static func coordinator(_ answer: [UInt8], version: Int16, port: Int) -> [UInt8] {
        var old = KafkaWire(answer)
        var new = KafkaWire()
        new.append(old.take(version >= 1 ? 10 : 6))
        if version >= 1 { new.append(string: old.string()) }
        new.append(old.take(4))
        new.append(string: old.string())
        _ = old.integer(Int32.self)
        new.append(Int32(port))
        return new.bytes
    }

    /// A topic with at most so many partitions; nil for one that is hidden.
    private static func topic(
        _ old: inout KafkaWire, version: Int16, _ limit: Int, _ denied: Set<String>
    ) -> [UInt8]? {
        var new = KafkaWire()
        new.append(old.take(2))
        let name = old.string()
        new.append(string: name)
        if version >= 1 { new.append(old.take(1)) }
        var kept: [[UInt8]] = []
        for _ in 0..<old.integer(Int32.self) {
            var partition = KafkaWire()
            partition.append(old.take(2))
            let index = old.integer(Int32.self)
            partition.append(index)
            partition.append(old.take(4))
            for _ in 0..<2 {
                let replicas = old.integer(Int32.self)
                partition.append(replicas)
                partition.append(old.take(4 * Int(replicas)))
            }
            if index < limit { kept.append(partition.bytes) }
        }
        new.append(Int32(kept.count))
        for partition in kept { new.append(partition) }
        let isHidden = name.map { denied.contains(String(decoding: $0, as: UTF8.self)) } == true
        return isHidden ? nil : new.bytes
    }

    /// Every mechanism is offered; whether it is right shows when it is used.
    static func saslHandshake(_ correlation: Int32) -> [UInt8] {
        var answer = KafkaWire()
        answer.append(correlation)
        answer.append(Int16(0))
        let mechanisms = ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"]
        answer.append(Int32(mechanisms.count))
        for mechanism in mechanisms { answer.append(string: Array(mechanism.utf8)) }
        return answer.bytes
    }

    /// The answer to a step of signing in; `bytes` are the mechanism's for the client, nil when it is refused.
    static func saslAuthenticate(_ correlation: Int32, _ bytes: [UInt8]?) -> [UInt8] {
        var answer = KafkaWire()
        answer.append(correlation)
        // 58: SASL_AUTHENTICATION_FAILED.
        answer.append(Int16(bytes != nil ? 0 : 58))
        answer.append(string: bytes != nil ? nil : Array("these credentials are not known".utf8))
        answer.append(Int32(bytes?.count ?? 0))
        answer.append(bytes ?? [])
        return answer.bytes
    }
}
