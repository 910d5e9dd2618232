import Core

/// The supervisor of a host's streams, and those that had the streams before `SUPERVISOR` was changed.
///
/// A stream that moves is ended where it was before it is started here, so that it never has two processes. A file beside the
/// settings files lists every supervisor that may have streams: the new one from before the first change on, the old ones
/// until the last stream has moved. So an apply that was killed is completed, also after another change of `SUPERVISOR`.
struct HostSupervisors: StreamSupervisor {
    /// The content of the file.
    struct Record: Codable, Equatable, Sendable {
        var supervisors: [SupervisorPlace]
    }

    static let fileName = ".supervisors"

    private let current: any StreamSupervisor
    private let place: SupervisorPlace
    private let record: StateFile<Record>
    /// What to ask about a place; nil for one that runs nothing.
    private let former: @Sendable (SupervisorPlace) -> (any FormerSupervisor)?
    /// A place that has files of ours without standing in the record, such as one whose record was deleted.
    private let found: @Sendable () -> SupervisorPlace?

    /// - Parameters:
    ///   - current: the supervisor of today.
    ///   - place: where that is.
    ///   - folder: of the settings files.
    ///   - former: what to ask about a place; nil for one that runs nothing.
    ///   - found: a place that has files of ours without standing in the record.
    init(
        _ current: any StreamSupervisor, at place: SupervisorPlace, folder: String,
        former: @escaping @Sendable (SupervisorPlace) -> (any FormerSupervisor)?,
        found: @escaping @Sendable () -> SupervisorPlace?
    ) {
        (self.current, self.place, self.former, self.found) = (current, place, former, found)
        record = StateFile(Self.fileName, in: folder)
    }

    // MARK: The supervisors before

    /// Read each time: another command may have changed it before this one had the lock.
    private func places() throws(StreamsError) -> [SupervisorPlace] {
        let known: [SupervisorPlace]
        do throws(FileError) { known = try record.read()?.supervisors ?? [] } catch { throw StreamsError(error) }
        guard let found = found(), !known.contains(found) else { return known }
        return known + [found]
    }

    private func others() throws(StreamsError) -> [any FormerSupervisor] {
        try places().filter { $0 != place }.compactMap(former)
    }

    func left(of streams: [String]) throws(StreamsError) -> [String: FormerProcess] {
        var all: [String: FormerProcess] = [:]
        for other in try others() {
            for (name, process) in try other.left(of: streams) {
                all[name] = FormerProcess(supervisor: other.kind, process: process)
            }
        }
        return all
    }

    func begin() throws(StreamsError) {
        let places = try places()
        try write(places.contains(place) ? places : places + [place])
    }

    func finish() throws(StreamsError) { try write([place]) }

    private func write(_ places: [SupervisorPlace]) throws(StreamsError) {
        let wanted = Record(supervisors: places)
        do throws(FileError) {
            if try record.read() != wanted { try record.write(wanted) }
        } catch { throw StreamsError(error) }
    }

    func stop(_ stream: String) throws(StreamsError) {
        for other in try others() { try other.stop(stream) }
        try current.stop(stream)
    }

    // MARK: The supervisor of today

    var isSupervising: Bool { current.isSupervising }

    func definition(of settings: StreamSettingsFile) -> String? { current.definition(of: settings) }

    func look(for streams: [String]) throws(StreamsError) -> [String: StreamProcess] { try current.look(for: streams) }

    func prepare(_ settings: StreamSettingsFile) throws(StreamsError) { try current.prepare(settings) }

    func reload() throws(StreamsError) { try current.reload() }

    func start(_ settings: StreamSettingsFile) throws(StreamsError) -> StreamStart { try current.start(settings) }
}
