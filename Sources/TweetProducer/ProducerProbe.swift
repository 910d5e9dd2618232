import Core
import Operations

/// Waits until the running producer has a line acknowledged by Kafka that it wrote after the question.
struct ProducerProbe {
    private let listen: ListenSettings?

    /// - Parameter listen: where the producer answers; nil for nowhere.
    init(_ listen: ListenSettings?) {
        self.listen = listen
    }

    /// Asks the running producer until it proves the way from X's side to Kafka.
    ///
    /// - Parameter patience: more than HEARTBEAT.
    /// - Returns: what was found.
    func finding(patience: Duration) -> DoctorFinding {
        guard let listen else {
            return .fail("probe", "LISTEN is off: the running producer cannot be asked", remedy: "set LISTEN", .wait)
        }
        let began = ContinuousClock.now
        do throws(ServiceSilence) {
            guard let first = Self.numbers(try ServiceQuestion(listen).ask("/metrics").body) else {
                return .fail("probe", "\(listen) is no tweet-producer", remedy: "check LISTEN", .wait)
            }
            repeat {
                Stop().wait(for: .milliseconds(250))
                let next = Self.numbers(try ServiceQuestion(listen).ask("/metrics").body) ?? first
                guard next.acknowledged > first.durable else { continue }
                let time = began.duration(to: .now).short
                return .ok("probe", "line \(next.acknowledged) was acknowledged by Kafka after \(time)")
            } while began.duration(to: .now) < patience
        } catch {
            return .fail("probe", "\(error)", remedy: "start the producer: the probe watches the running one", .wait)
        }
        return .fail(
            "probe", "Kafka has acknowledged no new line within \(patience.short)",
            remedy: "tweet-producer health names the part that hangs; HEARTBEAT=off writes none", .wait)
    }

    /// The last line in the journal and the last one that Kafka has, of an exposition.
    static func numbers(_ exposition: String) -> (durable: Int64, acknowledged: Int64)? {
        func value(_ name: String) -> Int64? {
            let line = exposition.split(separator: "\n").first { $0.hasPrefix("tweet_producer_journal_\(name) ") }
            return line?.split(separator: " ").last.flatMap { Double($0) }.map { Int64($0) }
        }
        guard let durable = value("durable_seq"), let acknowledged = value("acknowledged_seq") else { return nil }
        return (durable, acknowledged)
    }
}
