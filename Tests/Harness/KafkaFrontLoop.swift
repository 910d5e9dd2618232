import Core
import Glibc
import Synchronization

/// What the thread of a `KafkaFront` does. The thread holds this and not the front, so that the front's end can end it.
final class KafkaFrontLoop: Sendable {
    struct State {
        var advertisedPort: Int
        var advertisedHosts: [Int32: String] = [:]
        var credentials: KafkaFront.Credentials?
        var bytesPerSecond: Int?
        var visiblePartitions = Int.max
        var judge: (@Sendable (KafkaBatch) -> Int16)?
        var rejectedBatches = 0
        var topicSettings: [String: String]?
        var groupMembers: [KafkaFront.Member]?
        var isToCut = false
        var deniedTopics: Set<String> = []
        var creatingRequests = 0
        var phantoms: [Int32: KafkaPhantoms] = [:]
        var refused = 0
        var accepted = 0
        var unsigned = 0
    }

    let state: Mutex<State>
    let stop = Stop()
    private let listener: Int32
    private let target: Int

    /// - Parameters:
    ///   - listener: where clients connect; it is closed at the end.
    ///   - target: the broker's port on 127.0.0.1.
    ///   - advertisedPort: where clients are told that the broker is.
    init(listener: Int32, target: Int, advertisedPort: Int) {
        self.listener = listener
        self.target = target
        state = Mutex(State(advertisedPort: advertisedPort))
    }

    /// Passes bytes on until the stop is raised.
    func serve() {
        var pairs: [KafkaFrontPair] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var allowance = KafkaAllowance()
        while !stop.isRaised {
            let room = allowance.next(state.withLock { $0.bytesPerSecond })
            // Each has its turn to be the first: what one connection takes is not there for the others.
            if !pairs.isEmpty { pairs.append(pairs.removeFirst()) }
            // A negative descriptor is not looked at (poll(2)).
            let ends: [Int32] = pairs.flatMap { room > 0 ? [$0.client, $0.server] : [-1, -1] }
            var descriptors = ([listener] + ends).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            _ = unsafe poll(&descriptors, nfds_t(descriptors.count), 10)
            let isToCut = state.withLock { state in
                defer { state.isToCut = false }
                return state.isToCut
            }
            for index in pairs.indices.reversed() {
                let isOpen =
                    !isToCut
                    && (descriptors[2 * index + 1].revents == 0
                        || pass(&pairs[index], isFromClient: true, &buffer, &allowance))
                    && (descriptors[2 * index + 2].revents == 0
                        || pass(&pairs[index], isFromClient: false, &buffer, &allowance))
                if !isOpen { pairs.remove(at: index).close() }
            }
            if descriptors[0].revents != 0 { pairs += [accepted(listener)].compactMap { $0 } }
        }
        for pair in pairs { pair.close() }
        Glibc.close(listener)
    }

    /// Takes what has come from one side and passes whole frames on; false when the connection is over.
    private func pass(
        _ pair: inout KafkaFrontPair, isFromClient: Bool, _ buffer: inout [UInt8], _ allowance: inout KafkaAllowance
    ) -> Bool {
        let count = unsafe read(
            isFromClient ? pair.client : pair.server, &buffer, min(buffer.count, max(1, allowance.bytes)))
        guard count > 0 else { return false }
        allowance.use(count)
        if isFromClient { pair.fromClient += buffer[..<count] } else { pair.fromServer += buffer[..<count] }
        while let frame = pair.takeFrame(isFromClient: isFromClient) {
            guard isFromClient ? request(frame, &pair) : answer(frame, &pair) else { return false }
        }
        return true
    }

    private func request(_ frame: [UInt8], _ pair: inout KafkaFrontPair) -> Bool {
        var wire = KafkaWire(frame)
        let request = KafkaFrontPair.Request(kind: wire.integer(), version: wire.integer())
        let correlation = wire.integer(Int32.self)
        _ = wire.string()
        switch request.kind {
        case KafkaAnswer.Kind.saslHandshake:
            return KafkaFrontPair.send(KafkaAnswer.saslHandshake(correlation), to: pair.client)
        case KafkaAnswer.Kind.saslAuthenticate:
            let length = wire.integer(Int32.self)
            let answer = signIn(Array(wire.take(Int(length))), &pair)
            return KafkaFrontPair.send(KafkaAnswer.saslAuthenticate(correlation, answer), to: pair.client)
        case KafkaAnswer.Kind.apiVersions where request.version > 2:
            return KafkaFrontPair.send(KafkaAnswer.olderVersions(correlation), to: pair.client)
        case KafkaAnswer.Kind.apiVersions: break
        case KafkaAnswer.describeConfigs, KafkaAnswer.describeGroups:
            return KafkaFrontPair.send(description(frame, request, correlation), to: pair.client)
        default:
            if !pair.isSignedIn, state.withLock({ $0.credentials != nil }) {
                state.withLock { $0.unsigned += 1 }
                return false
            }
        }
        if request.kind == KafkaAnswer.Kind.produce, let judge = state.withLock({ $0.judge }),
            let rejection = KafkaBatch.rejection(&wire, correlation, version: request.version, judge)
        {
            state.withLock { $0.rejectedBatches += 1 }
            return KafkaFrontPair.send(rejection, to: pair.client)
        }
        return forward(frame, request, correlation, &pair)
    }

    /// What the mock cluster cannot describe.
    private func description(_ frame: [UInt8], _ request: KafkaFrontPair.Request, _ correlation: Int32) -> [UInt8] {
        let state = state.withLock { $0 }
        return request.kind == KafkaAnswer.describeGroups
            ? KafkaAnswer.groupMembers(frame, correlation, state.groupMembers ?? [])
            : KafkaAnswer.topicSettings(frame, correlation, state.topicSettings ?? [:])
    }

    /// Sends a request on, and remembers it when its answer is to be changed.
    private func forward(
        _ frame: [UInt8], _ request: KafkaFrontPair.Request, _ correlation: Int32, _ pair: inout KafkaFrontPair
    ) -> Bool {
        if request.kind == KafkaAnswer.Kind.metadata { note(frame, request) }
        let changed = [KafkaAnswer.Kind.apiVersions, KafkaAnswer.Kind.metadata, KafkaAnswer.Kind.findCoordinator]
        if changed.contains(request.kind) { pair.asked[correlation] = request }
        let phantoms = state.withLock { $0.phantoms }
        guard !phantoms.isEmpty else { return KafkaFrontPair.send(frame, to: pair.server) }
        if [KafkaAnswer.fetch, KafkaAnswer.listOffsets].contains(request.kind) { pair.asked[correlation] = request }
        let isFetch = request.kind == KafkaAnswer.fetch
        return KafkaFrontPair.send(
            isFetch ? KafkaAnswer.fetchRequest(frame, phantoms, topic: "tweets") : frame, to: pair.server)
    }

    /// Counts a request for topics by their names that allows the broker to create them: since version 4 the last byte.
    private func note(_ frame: [UInt8], _ request: KafkaFrontPair.Request) {
        var wire = KafkaWire(frame)
        _ = wire.take(8)
        _ = wire.string()
        let isCreating = wire.integer(Int32.self) > 0 && (request.version < 4 || frame.last != 0)
        if isCreating { state.withLock { $0.creatingRequests += 1 } }
    }

    private func answer(_ frame: [UInt8], _ pair: inout KafkaFrontPair) -> Bool {
        var wire = KafkaWire(frame)
        guard let request = pair.asked.removeValue(forKey: wire.integer()) else {
            return KafkaFrontPair.send(frame, to: pair.client)
        }
        let state = state.withLock { $0 }
        let (version, port) = (request.version, state.advertisedPort)
        let changed =
            switch request.kind {
            case KafkaAnswer.Kind.apiVersions:
                KafkaAnswer.apiVersions(
                    frame, hasSASL: state.credentials != nil, hasPhantoms: !state.phantoms.isEmpty,
                    hasSettings: state.topicSettings != nil, hasMembers: state.groupMembers != nil)
            case KafkaAnswer.fetch: KafkaAnswer.fetchAnswer(frame, state.phantoms, topic: "tweets")
            case KafkaAnswer.listOffsets: KafkaAnswer.offsetsAnswer(frame, state.phantoms, topic: "tweets")
            case KafkaAnswer.Kind.findCoordinator: KafkaAnswer.coordinator(frame, version: version, port: port)
            default:
                KafkaAnswer.metadata(
                    frame, version: version, port: port, partitions: state.visiblePartitions,
                    denied: state.deniedTopics, hosts: state.advertisedHosts)
            }
        return KafkaFrontPair.send(changed, to: pair.client)
    }

    /// What to answer to a step of signing in; nil when it is refused.
    private func signIn(_ given: [UInt8], _ pair: inout KafkaFrontPair) -> [UInt8]? {
        let text = String(decoding: given, as: UTF8.self)
        var answer: [UInt8]?
        switch state.withLock({ $0.credentials }) {
        case .plain(let user, let password): answer = text == "\0\(user)\0\(password)" ? [] : nil
        case .bearer(let token): answer = text.contains("\u{1}auth=Bearer \(token)\u{1}") ? [] : nil
        case .scram(let user, let password):
            var scram = pair.scram ?? ScramServer(user: user, password: password)
            switch scram.answer(given) {
            case .goOn(let question):
                pair.scram = scram
                return question
            case .accepted(let last): answer = last
            case .refused: answer = nil
            }
        case nil: answer = []
        }
        pair.isSignedIn = answer != nil
        state.withLock { if answer != nil { $0.accepted += 1 } else { $0.refused += 1 } }
        return answer
    }

    private func accepted(_ listener: Int32) -> KafkaFrontPair? {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return nil }
        guard let server = Loopback.connect(target) else {
            Glibc.close(client)
            return nil
        }
        return KafkaFrontPair(client: client, server: server)
    }
}
