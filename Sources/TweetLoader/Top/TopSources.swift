import Core
import Glibc
import Operations
import Postgres
import Synchronization

/// Whom `top` asks.
struct TopQuestions: Sendable {
    var services: WatchedServices
    /// Nil: PostgreSQL is not asked.
    var database: PostgresConninfo?

    static let producer = "tweet-producer"
    static let loader = "tweet-loader"

    /// Asks everybody once, one after the other.
    func ask() -> TopLooks {
        var looks = TopLooks()
        looks.producers = services.producers.map { ServiceLook(Self.producer, $0) }
        looks.loaders = services.loaders.map { ServiceLook(Self.loader, $0) }
        // A person who waits for one answer wants it, however slow the server is.
        looks.database = database.map { ($0.place, Self.look($0, patience: .seconds(30))) }
        return looks
    }

    /// Asks PostgreSQL, for so long a question.
    static func look(_ conninfo: PostgresConninfo, patience: Duration) -> Result<DatabaseLook, any Error> {
        Result { try DatabaseLook.read(conninfo, patience: patience) }
    }
}

/// Asks every source repeatedly, each on a thread of its own, so that one that hangs holds up no other.
final class TopSources: Sendable {
    private struct State {
        var looks: TopLooks
        var interval: Duration
    }

    /// PostgreSQL is not asked more often than that: it changes with commits and heartbeats.
    private static let slowest = Duration.seconds(5)

    private let questions: TopQuestions
    private let state: Mutex<State>
    private let notify: @Sendable () -> Void

    /// - Parameters:
    ///   - questions: whom to ask.
    ///   - looks: what they have answered already.
    ///   - interval: how often.
    ///   - notify: is called after each answer.
    init(
        _ questions: TopQuestions, looks: TopLooks, interval: Duration, notify: @escaping @Sendable () -> Void
    ) {
        (self.questions, self.notify) = (questions, notify)
        state = Mutex(State(looks: looks, interval: interval))
    }

    /// What was last heard of everybody.
    var looks: TopLooks { state.withLock { $0.looks } }

    /// How often the sources are asked from now on.
    var interval: Duration {
        get { state.withLock { $0.interval } }
        set { state.withLock { $0.interval = newValue } }
    }

    /// What the threads do; none of it ends.
    var loops: [@Sendable () -> Void] {
        var loops: [@Sendable () -> Void] = []
        for (index, question) in questions.services.producers.enumerated() {
            loops.append {
                self.repeatedly {
                    let look = ServiceLook(TopQuestions.producer, question)
                    self.state.withLock { $0.looks.producers[index] = look }
                }
            }
        }
        for (index, question) in questions.services.loaders.enumerated() {
            loops.append {
                self.repeatedly {
                    let look = ServiceLook(TopQuestions.loader, question)
                    self.state.withLock { $0.looks.loaders[index] = look }
                }
            }
        }
        if let conninfo = questions.database {
            loops.append {
                self.repeatedly(atLeast: Self.slowest) {
                    let look = TopQuestions.look(conninfo, patience: Self.slowest)
                    self.state.withLock { $0.looks.database = (conninfo.place, look) }
                }
            }
        }
        return loops
    }

    /// Everybody was asked before the first pause.
    private func repeatedly(atLeast least: Duration = .zero, _ ask: () -> Void) {
        while true {
            let next = ContinuousClock.now
            // In small steps, so that a shorter interval counts at once.
            while next.duration(to: .now) < max(interval, least) {
                let left = max(interval, least) - next.duration(to: .now)
                usleep(UInt32(clamping: min(left, .milliseconds(200)).milliseconds * 1000))
            }
            ask()
            notify()
        }
    }
}
