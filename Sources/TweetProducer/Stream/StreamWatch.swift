/// Decides when a connection counts as dead, as a pure value fed with the time that was spent waiting for it.
///
/// Time in which this process did other things, such as waiting for a slow disk, is not silence of X and does not count.
struct StreamWatch {
    /// What the connection is expected to do.
    enum Phase {
        /// Connect and send its header, or the page that explains a refusal: as a whole within the connect time-out.
        case answer
        /// Send posts or at least keep-alives: any byte starts the stall time-out again.
        case stream
    }

    private let connectTimeout: Duration
    private let stallTimeout: Duration
    private var phase = Phase.answer
    private var waited = Duration.zero
    private var bytesSeen: Int64 = 0

    init(connectTimeout: Duration, stallTimeout: Duration) {
        self.connectTimeout = connectTimeout
        self.stallTimeout = stallTimeout
    }

    /// How much longer to wait; zero or less when the connection is dead.
    ///
    /// - Parameters:
    ///   - phase: what the connection is expected to do now.
    ///   - bytes: how much of the stream it has sent since its beginning.
    ///   - duration: how long the call waited for it.
    /// - Returns: the time left of the phase.
    mutating func timeLeft(in phase: Phase, bytes: Int64, waited duration: Duration) -> Duration {
        if phase != self.phase || bytes != bytesSeen {
            waited = .zero
        } else {
            waited += duration
        }
        (self.phase, bytesSeen) = (phase, bytes)
        return (phase == .stream ? stallTimeout : connectTimeout) - waited
    }
}
