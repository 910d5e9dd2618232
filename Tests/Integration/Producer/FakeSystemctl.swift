import Foundation
import TestSupport

/// A systemctl that keeps its units in files of the host's folder and records every call.
///
/// It starts nothing: that a started unit is up is systemd's word (`Type=notify`), and `systemd-analyze verify` reads the real
/// units. The file `twice` has the streams that were started while supervisord still had a file of theirs.
enum FakeSystemctl {
    /// - Parameter host: where `streams` finds it by `settings`.
    /// - Throws: when its files cannot be written.
    static func install(in host: StreamsHost) throws {
        let path = host.folder.path + "/systemctl"
        try FileManager.default.createDirectory(atPath: host.folder.path + "/units", withIntermediateDirectories: true)
        try host.folder.write(script, to: "systemctl")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    /// Settings of `streams` that use it.
    static func settings(_ host: StreamsHost) -> [String: String] {
        ["SUPERVISOR": "systemd", "PATH": "\(host.folder.path):/usr/bin:/bin"]
    }

    /// The files of its units, such as `tweet-producer@one.service:active`.
    static func units(_ host: StreamsHost) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: host.folder.path + "/units").sorted()
    }

    private static let script = """
        #!/usr/bin/python3
        import fnmatch, os, sys
        root = os.path.dirname(os.path.abspath(__file__))
        units = root + "/units/"
        words = [word for word in sys.argv[1:] if not word.startswith("-")]
        verb, names = words[0], words[1:]
        if verb != "show":
            open(root + "/calls", "a").write(" ".join(sys.argv[2:]) + "\\n")
        def has(name, part): return os.path.exists(units + name + part)
        def set_to(name, part, wanted):
            if wanted: open(units + name + part, "w").close()
            elif has(name, part): os.remove(units + name + part)
        if os.path.exists(root + "/broken"):
            sys.exit("System has not been booted with systemd as init system (PID 1). Can't operate.")
        if verb == "show":
            known = sorted({name.rsplit(":", 1)[0] for name in os.listdir(units)})
            found = [k for n in names if "*" in n for k in fnmatch.filter(known, n)] + [n for n in names if "*" not in n]
            for name in found:
                state = "active" if has(name, ":active") else "failed" if has(name, ":failed") else "inactive"
                sub = {"active": "running", "failed": "failed", "inactive": "dead"}[state]
                print("Id=%s\\nLoadState=%s\\nActiveState=%s\\nSubState=%s\\nResult=%s\\nExecMainStatus=%s\\nMainPID=%s\\n"
                    "UnitFileState=%s\\nNeedDaemonReload=no\\n" % (name,
                    "not-found" if os.path.exists(root + "/without-unit") else "loaded", state, sub,
                    "exit-code" if state == "failed" else "success", 78 if state == "failed" else 0,
                    7 if state == "active" else 0, "enabled" if has(name, ":enabled") else "disabled"))
        for name in names if verb != "show" else []:
            if verb == "enable": set_to(name, ":enabled", True)
            if verb == "disable":
                set_to(name, ":enabled", False)
                set_to(name, ":active", False)
            if verb == "reset-failed": set_to(name, ":failed", False)
            if verb == "start":
                stream = name[len("tweet-producer@"):-len(".service")]
                if os.path.exists("%s/conf.d/tweet-stream-%s.conf" % (root, stream)):
                    open(root + "/twice", "a").write(stream + "\\n")
                settings = open("%s/streams/%s.yaml" % (root, stream)).read().splitlines()
                fails = any(line.startswith("kafka_topic:") and "bad" in line for line in settings)
                set_to(name, ":failed" if fails else ":active", True)
                if fails: sys.exit("Job for %s failed because the control process exited with error code." % name)

        """
}
