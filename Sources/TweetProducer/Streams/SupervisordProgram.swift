import Core

/// The file of one stream below supervisord's include folder.
///
/// supervisord looks at exit statuses only of programs that have run for `startsecs`; whatever ends sooner is tried again
/// with a pause that grows by a second each time, and is `FATAL` after `startretries`. So wrong settings, which end a stream
/// within a second, end as `FATAL` after about a minute. Who ran longer and ends with a status of `exitcodes` is not started
/// again: 0 after SIGTERM, 64 usage, 77 credentials, 78 settings. Anything else is started again at once.
struct SupervisordProgram {
    /// The program's name without the stream's; a name of our own, so that programs of others never look like streams.
    static let prefix = "tweet-stream-"

    /// The program that is run.
    let executable: String
    /// Of the settings files.
    let folder: String
    let logs: String
    /// Nil keeps supervisord's.
    let user: String?

    /// The log of a stream.
    ///
    /// - Parameter stream: its name.
    /// - Returns: the path.
    func log(_ stream: String) -> String { "\(logs)/\(stream).log" }

    /// The file.
    ///
    /// - Parameter settings: of the stream.
    /// - Returns: its text.
    func text(_ settings: StreamSettingsFile) -> String {
        let name = settings.stream
        let drain = Duration(setting: settings.value(ServiceSettings.drain) ?? "") ?? .seconds(30)
        let lines = [
            "; \(StreamSettingsFile.mark); do not change it.",
            "[program:\(Self.prefix)\(name)]",
            "command=\(executable) run --config \(folder)/\(name).yaml",
            // supervisord sees changes here, and none in the settings file.
            "environment=STREAM_SETTINGS=\"\(settings.hash)\"",
        ]
        let process =
            (user.map { ["user=\($0)"] } ?? []) + [
                "directory=/",
                "autostart=true",
                "autorestart=unexpected",
                "exitcodes=0,64,77,78",
                "startsecs=5",
                "startretries=10",
                "stopsignal=TERM",
                "stopwaitsecs=\(drain.components.seconds + 15)",
                "redirect_stderr=false",
                "stderr_logfile=\(log(name))",
                "stderr_logfile_maxbytes=0",
                "stdout_logfile=NONE",
            ]
        return (lines + process).joined(separator: "\n") + "\n"
    }

    /// Checks that the paths can stand in such a file: `%`, quotes, spaces and `;` mean something there.
    ///
    /// - Throws: `StreamsError`: `operator(.settings)` that names the path.
    func requirePlainPaths() throws(StreamsError) {
        for path in [executable, folder, logs, user ?? "root"] {
            let isPlain = path.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/._-+@".contains($0)) }
            guard isPlain, !path.isEmpty else {
                throw StreamsError(
                    .operator(.settings),
                    "'\(path)' cannot stand in a file of supervisord: only letters, digits and / . _ - + @ can")
            }
        }
    }
}
