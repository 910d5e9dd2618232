import Core
import Glibc

/// Where `streams apply` has run streams of this host.
struct SupervisorPlace: Codable, Equatable, Sendable {
    /// Of `SupervisorKind`.
    let kind: String
    /// supervisord's socket, and the folder of its files; nil for others.
    var socket: String?
    var programs: String?
}

/// What a supervisor still has of a stream, although the streams of this host are another one's now.
struct FormerProcess: Sendable, Equatable {
    let supervisor: SupervisorKind
    /// Nil when only a file is left.
    let process: StreamProcess?
}

/// A supervisor that had the streams of this host before `SUPERVISOR` was changed.
protocol FormerSupervisor: Sendable {
    var kind: SupervisorKind { get }

    /// What it still has.
    ///
    /// - Parameter streams: those that are looked at beside what it reports by itself.
    /// - Returns: its processes by the stream's name; nil for a stream of which only a file is left.
    /// - Throws: `StreamsError`: `wait` when it runs and does not answer.
    func left(of streams: [String]) throws(StreamsError) -> [String: StreamProcess?]

    /// Ends a stream there for good, the process before its file; one that it does not have is no error.
    ///
    /// - Parameter stream: its name.
    /// - Throws: `StreamsError` as for `left`.
    func stop(_ stream: String) throws(StreamsError)
}

/// supervisord after the streams have moved away. One that does not run has no processes, and starts none without files.
struct FormerSupervisord: FormerSupervisor {
    let supervisord: Supervisord
    /// Nil when the folder is that of the supervisor of today.
    let definitions: DerivedFiles?

    var kind: SupervisorKind { .supervisord }

    func left(of streams: [String]) throws(StreamsError) -> [String: StreamProcess?] {
        var found: [String: StreamProcess?] = [:]
        for name in try definitions?.all().keys.sorted() ?? [] { found.updateValue(nil, forKey: name) }
        guard supervisord.client.isThere else { return found }
        for (name, process) in try supervisord.processes(stale: []) { found[name] = process }
        return found
    }

    func stop(_ stream: String) throws(StreamsError) {
        let isThere = supervisord.client.isThere
        if isThere { try supervisord.stop(stream) }
        FailPoint.streams.pass()
        guard let definitions, try definitions.all()[stream] != nil else { return }
        try definitions.remove(stream)
        // What it has read is of no matter to the streams any more, and its other files are not ours to judge.
        if isThere { try? supervisord.reload() }
    }
}

/// systemd after the streams have moved away.
struct FormerSystemd: FormerSupervisor {
    private let systemd = Systemd()

    var kind: SupervisorKind { .systemd }

    func left(of streams: [String]) throws(StreamsError) -> [String: StreamProcess?] {
        do throws(StreamsError) { return try systemd.left(of: streams).mapValues { $0 } } catch {
            // Where systemd is not the host's init system (sd_booted(3)) it runs nothing.
            guard unsafe access("/run/systemd/system", F_OK) == 0 else { return [:] }
            throw error
        }
    }

    func stop(_ stream: String) throws(StreamsError) {
        guard try left(of: [stream])[stream] != nil else { return }
        try systemd.stop(stream)
        FailPoint.streams.pass()
    }
}
