/// How many bytes may be on their way to Kafka at a time.
///
/// A request that cannot be transferred within `socket.timeout.ms` fails however often it is sent. So the time that one
/// record needs from hand-over to acknowledgement decides: the window doubles while it is short, and halves when it comes
/// near the time-out. After a time-out it is an eighth.
struct DeliveryWindow {
    static let initial = 256 << 10
    /// Two seconds at 64 kbit/s.
    static let least = 16 << 10
    /// From here on only librdkafka's queue is a limit.
    static let most = 64 << 20

    /// Bytes of values without report.
    private(set) var bytes = initial
    /// A delivery that takes longer makes the window smaller.
    private let patience: Duration
    private var probe: (id: Int64, at: ContinuousClock.Instant)?
    private var wasFull = false

    init(socketTimeout: Duration) {
        patience = socketTimeout / 4
    }

    /// Takes note that a record had to wait for room: only then more room is of use.
    mutating func noteFull() { wasFull = true }

    /// Takes note of a record that was handed over.
    mutating func noteSent(_ id: Int64) {
        if probe == nil { probe = (id, .now) }
    }

    /// Takes note of a report; true when `bytes` has changed.
    mutating func noteReport(_ id: Int64, isAcknowledged: Bool) -> Bool {
        guard let sent = probe, sent.id == id else { return false }
        probe = nil
        guard isAcknowledged else { return false }
        return adapt(to: sent.at.duration(to: .now))
    }

    /// Adapts to the time that a delivery took; true when `bytes` has changed.
    mutating func adapt(to time: Duration) -> Bool {
        let old = bytes
        if time > patience {
            bytes = max(Self.least, min(bytes, Self.most) / 2)
        } else if wasFull, time < patience / 2 {
            bytes = bytes < Self.most ? bytes * 2 : .max
        }
        wasFull = false
        return bytes != old
    }

    /// Whether a request may have timed out because of the number of bytes in flight.
    func mayBeAtFault(_ outstanding: Int) -> Bool { outstanding > Self.least }

    /// Makes the window smaller after a time-out, if its size may be why.
    mutating func timeOut(outstanding: Int) {
        guard mayBeAtFault(outstanding) else { return }
        bytes = max(Self.least, min(bytes, outstanding) / 8)
    }

    /// Begins with new clients.
    mutating func restart() {
        (probe, wasFull) = (nil, false)
        bytes = min(bytes, Self.initial)
    }
}
