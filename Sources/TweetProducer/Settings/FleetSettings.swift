import Core

/// What keeps the streams of a host running.
enum SupervisorKind: String, CaseIterable, Sendable {
    case systemd, supervisord
    /// Nothing of ours: only settings files are written.
    case none
}

/// The settings of `tweet-producer streams`.
struct FleetSettings: SettingGroup, Sendable {
    static let title = "Streams"
    static let fileSetting = Setting(
        "STREAMS_FILE", flag: "file", .file, default: "/etc/tweet-pipeline/streams.yaml",
        "File that declares the streams of this host")
    static let folderSetting = Setting(
        "STREAMS_DIR", flag: "dir", .folder, default: "/etc/tweet-pipeline/streams",
        "Folder of the settings files that `streams apply` writes, one for each active stream")
    static let supervisorSetting = Setting(
        "SUPERVISOR", flag: "supervisor", .one(of: SupervisorKind.self), default: "systemd",
        "What runs the streams; with `none` only settings files are written")
    static let socketSetting = Setting(
        "SUPERVISOR_SOCKET", flag: "supervisor-socket", .file, default: "/var/run/supervisor.sock",
        "supervisord's Unix socket")
    static let programsSetting = Setting(
        "SUPERVISOR_CONF_DIR", flag: "supervisor-conf-dir", .folder, default: "/etc/supervisor/conf.d",
        "Folder whose files `*.conf` supervisord includes")
    static let logsSetting = Setting(
        "SUPERVISOR_LOG_DIR", flag: "supervisor-log-dir", .folder, default: "/var/log/tweet-pipeline",
        "Folder of the logs of streams under supervisord")
    static let userSetting = Setting(
        "SUPERVISOR_USER", flag: "supervisor-user", .text, default: "tweet-pipeline", value: "name",
        "User that the streams run as: supervisord starts them as this user, and its group can read the settings files")
    static let settings = [
        fileSetting, folderSetting, supervisorSetting, socketSetting, programsSetting, logsSetting, userSetting,
    ]

    /// The file that declares the streams.
    let file: String
    /// Where their settings files are.
    let folder: String
    let supervisor: SupervisorKind
    /// supervisord's socket.
    let socket: String
    /// What supervisord includes.
    let programs: String
    /// Logs under supervisord.
    let logs: String
    /// Whom the streams run as.
    let user: String

    /// Reads the settings; mistakes are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    init(_ reader: inout SettingsReader) {
        file = reader.text(Self.fileSetting)
        folder = reader.text(Self.folderSetting)
        supervisor = reader.choice(Self.supervisorSetting, SupervisorKind.self) ?? .systemd
        socket = reader.text(Self.socketSetting)
        programs = reader.text(Self.programsSetting)
        logs = reader.text(Self.logsSetting)
        user = reader.text(Self.userSetting)
    }
}
