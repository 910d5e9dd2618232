import Glibc

/// A client's connection to `KafkaFront`, and the connection to the broker that belongs to it.
struct KafkaFrontPair {
    /// What a client has asked.
    struct Request {
        let kind: Int16
        let version: Int16
    }

    let client: Int32
    let server: Int32
    var fromClient: [UInt8] = []
    var fromServer: [UInt8] = []
    /// What was asked and not answered, by correlation id.
    var asked: [Int32: Request] = [:]
    var isSignedIn = false
    /// A sign-in of several messages that has begun.
    var scram: ScramServer?

    init(client: Int32, server: Int32) {
        (self.client, self.server) = (client, server)
    }

    /// The next whole frame of one side, without its size.
    mutating func takeFrame(isFromClient: Bool) -> [UInt8]? {
        let bytes = isFromClient ? fromClient : fromServer
        var wire = KafkaWire(bytes)
        let size = Int(wire.integer(Int32.self))
        guard bytes.count >= 4 + size else { return nil }
        let rest = Array(bytes[(4 + size)...])
        if isFromClient { fromClient = rest } else { fromServer = rest }
        return Array(bytes[4..<(4 + size)])
    }

    /// Sends a frame with its size; false when the connection is over.
    static func send(_ frame: [UInt8], to descriptor: Int32) -> Bool {
        var wire = KafkaWire()
        wire.append(Int32(frame.count))
        var rest = wire.bytes + frame
        while !rest.isEmpty {
            let count = unsafe Glibc.send(descriptor, rest, rest.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return false }
            rest.removeFirst(count)
        }
        return true
    }

    /// Ends both connections.
    func close() {
        Glibc.close(client)
        Glibc.close(server)
    }
}
