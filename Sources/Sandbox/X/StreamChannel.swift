import Core
import Hummingbird
import Synchronization

/// The streams that the simulator serves.
package enum SimulatedStream: Hashable, Sendable {
    /// `/2/tweets/search/stream`.
    case filtered
    /// `/2/tweets/sample/stream`.
    case sample
    /// `/2/tweets/sample10/stream`; the partition is 1 or 2.
    case sample10(partition: Int)

    /// What X's Connections API calls the endpoint.
    var endpointName: String {
        switch self {
        case .filtered: "filtered_stream"
        case .sample: "sample_stream"
        case .sample10: "sample10_stream"
        }
    }

    static let samples: [SimulatedStream] = [.sample, .sample10(partition: 1), .sample10(partition: 2)]
}

/// One of the simulator's streams: what it sends, and what was written to whom.
struct StreamChannel: Sendable {
    let stream: SimulatedStream
    let feed: Feed
    let record: StreamRecord
}

/// The sample streams, each with lines of its own; made when they are first asked for.
final class SampleChannels: Sendable {
    private let made = Mutex<[SimulatedStream: StreamChannel]>([:])
    private let configuration: XSimulator.Configuration
    private let clock: SandboxClock

    init(_ configuration: XSimulator.Configuration, clock: SandboxClock) {
        (self.configuration, self.clock) = (configuration, clock)
    }

    /// Those that were asked for.
    var all: [StreamChannel] {
        made.withLock { made in SimulatedStream.samples.compactMap { made[$0] } }
    }

    subscript(_ stream: SimulatedStream) -> StreamChannel {
        made.withLock { made in
            if let channel = made[stream] { return channel }
            let record = StreamRecord(clock: clock)
            record.state.withLock { $0.linger = configuration.linger }
            let channel = StreamChannel(
                stream: stream, feed: Feed(source(stream), rate: configuration.rate, clock: clock), record: record)
            made[stream] = channel
            return channel
        }
    }

    /// A sample has tweets of its own; the lines of files go to it as well, and by turns to the partitions of `sample10`.
    private func source(_ stream: SimulatedStream) -> FeedSource {
        switch (configuration.feed, stream) {
        case (.generator(let seed, let count), .sample10(let partition)):
            .generator(seed: seed &+ 100 &+ UInt64(partition), count: count)
        case (.generator(let seed, let count), _): .generator(seed: seed &+ 100, count: count)
        case (.lines(let lines), .sample10(let partition)):
            .lines(lines.enumerated().filter { $0.offset % 2 == partition - 1 }.map(\.element))
        case (.lines, _): configuration.feed
        }
    }
}

extension XSimulator {
    /// One of the streams.
    func channel(_ stream: SimulatedStream) -> StreamChannel {
        stream == .filtered ? StreamChannel(stream: .filtered, feed: feed, record: record) : samples[stream]
    }

    /// The streams that were asked for; the filtered one in any case.
    var channels: [StreamChannel] { [channel(.filtered)] + samples.all }

    /// What was written to whom on one of the streams, so far.
    ///
    /// - Parameter stream: which.
    /// - Returns: its connections.
    package func connections(of stream: SimulatedStream) -> [StreamConnection] { channel(stream).record.connections }

    /// The tweet ids of the lines that one of the streams has issued.
    ///
    /// - Parameter stream: which.
    /// - Returns: the ids, in order; lines that are no tweets have none.
    package func issuedIDs(of stream: SimulatedStream) -> [Int64] {
        let feed = channel(stream).feed
        return (0..<feed.issued).compactMap(feed.id)
    }

    /// Whether every line there is of a stream was issued and written, with nothing left to deliver.
    ///
    /// - Parameter stream: which.
    /// - Returns: false while lines are left.
    package func isDrained(_ stream: SimulatedStream) -> Bool {
        let channel = channel(stream)
        return channel.feed.isFinished && channel.record.firstUnwritten >= channel.feed.issued
    }

    func addSampleRoutes(to router: Router<XContext>) {
        for (name, kind) in [("sample", StreamEndpoint.Kind.sample), ("sample10", .sample10)] {
            let endpoint = StreamEndpoint(simulator: self, kind: kind)
            router.group("2/tweets/\(name)/stream").add(middleware: XGate(simulator: self, endpoint: name))
                .get { try await endpoint.answer($0, $1) }
        }
    }
}
