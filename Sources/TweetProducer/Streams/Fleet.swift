import Core
import Glibc

/// The streams of this host: the file that declares them, the files that are derived from it, and what runs them.
struct Fleet {
    let settings: FleetSettings
    let application: StreamsApplication

    /// - Parameter settings: of this host.
    /// - Throws: `StreamsError`: `operator(.settings)` when the host has no user of the name that is set.
    init(_ settings: FleetSettings) throws(StreamsError) {
        self.settings = settings
        let owner = try Self.owner(settings.user)
        let (folder, place) = (FilePath.absolute(settings.folder), Self.place(settings))
        let supervisor: any StreamSupervisor =
            switch settings.supervisor {
            case .none: NoSupervisor()
            case .systemd: Systemd()
            case .supervisord: Self.supervisord(at: place, settings, owner)
            }
        let all = HostSupervisors(supervisor, at: place, folder: folder) { other in
            switch SupervisorKind(rawValue: other.kind) {
            case .systemd: FormerSystemd()
            case .supervisord:
                FormerSupervisord(
                    supervisord: Self.supervisord(at: other, settings, owner),
                    definitions: other.programs == place.programs ? nil : other.programs.map(Self.definitions))
            case SupervisorKind.none?, nil: nil
            }
        } found: {
            Self.forgotten(settings)
        }
        let definitions = place.programs.map(Self.definitions)
        application = StreamsApplication(
            files: StreamFiles(folder: folder, group: owner?.group, definitions: definitions), supervisor: all,
            owner: owner)
    }

    private static func supervisord(
        at place: SupervisorPlace, _ settings: FleetSettings, _ owner: (user: uid_t, group: gid_t)?
    ) -> Supervisord {
        Supervisord(
            client: SupervisordClient(socket: place.socket ?? ""),
            program: SupervisordProgram(
                executable: FilePath.real("/proc/self/exe") ?? "/usr/local/bin/tweet-producer",
                folder: FilePath.absolute(settings.folder), logs: FilePath.absolute(settings.logs),
                user: owner.map { _ in settings.user }),
            programs: place.programs ?? "", owner: owner)
    }

    private static func place(_ settings: FleetSettings) -> SupervisorPlace {
        guard settings.supervisor == .supervisord else { return SupervisorPlace(kind: settings.supervisor.rawValue) }
        return SupervisorPlace(
            kind: settings.supervisor.rawValue, socket: FilePath.absolute(settings.socket),
            programs: FilePath.absolute(settings.programs))
    }

    private static func definitions(_ folder: String) -> DerivedFiles {
        DerivedFiles(folder: folder, prefix: SupervisordProgram.prefix, suffix: ".conf", group: nil, mode: 0o644)
    }

    /// supervisord when it is not the supervisor of today, and has files of ours all the same.
    private static func forgotten(_ settings: FleetSettings) -> SupervisorPlace? {
        let programs = FilePath.absolute(settings.programs)
        guard settings.supervisor != .supervisord, (try? definitions(programs).all())?.isEmpty == false else {
            return nil
        }
        return SupervisorPlace(
            kind: SupervisorKind.supervisord.rawValue, socket: FilePath.absolute(settings.socket), programs: programs)
    }

    /// The user of the streams when this process can become it; nil for this process's own.
    private static func owner(_ user: String) throws(StreamsError) -> (user: uid_t, group: gid_t)? {
        guard geteuid() == 0 else { return nil }
        if let ids = FilePath.ids(of: user) { return ids }
        throw StreamsError(
            .operator(.settings),
            "\(FleetSettings.userSetting.title): this host has no user '\(user)';"
                + " useradd --system --no-create-home --shell /usr/sbin/nologin \(user)")
    }

    /// What the active streams of a file are to run with. Those that name no address for HTTP requests have one.
    ///
    /// - Parameter file: that declares them.
    /// - Returns: in the file's order.
    /// - Throws: `StreamsError`: `operator(.disk)` when the settings files cannot be read.
    func desired(_ file: StreamsFile) throws(StreamsError) -> [StreamSettingsFile] {
        let current = try application.files.settings.all().compactMapValues { StreamSettingsFile(text: $0)?.listen }
        let named = Dictionary(file.active.map { ($0.name, $0.text(StreamAddresses.setting)) }) { first, _ in first }
        let addresses = StreamAddresses(
            named, current: current, from: settings.firstPort, isFree: StreamAddresses.isFree)
        return file.active.map { StreamSettingsFile($0, from: file.path, listen: addresses.derived[$0.name]) }
    }
}
