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
        let (folder, programs) = (FilePath.absolute(settings.folder), FilePath.absolute(settings.programs))
        let definitions =
            settings.supervisor == .supervisord
            ? DerivedFiles(
                folder: programs, prefix: SupervisordProgram.prefix, suffix: ".conf", group: nil, mode: 0o644)
            : nil
        let files = StreamFiles(folder: folder, group: owner?.group, definitions: definitions)
        let supervisor: any StreamSupervisor =
            switch settings.supervisor {
            case .none: NoSupervisor()
            case .systemd: Systemd()
            case .supervisord:
                Supervisord(
                    client: SupervisordClient(socket: FilePath.absolute(settings.socket)),
                    program: SupervisordProgram(
                        executable: FilePath.real("/proc/self/exe") ?? "/usr/local/bin/tweet-producer", folder: folder,
                        logs: FilePath.absolute(settings.logs), user: owner.map { _ in settings.user }),
                    programs: programs, owner: owner)
            }
        application = StreamsApplication(files: files, supervisor: supervisor, owner: owner)
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
