import Glibc

/// What the system gives to a process that is started here; what a unit or a container sets is known inside it alone.
extension DoctorFinding {
    /// All checks of the system.
    ///
    /// - Parameter memory: the bytes that the service may need.
    /// - Returns: what was found.
    package static func system(memory: Int64) -> [DoctorFinding] {
        [.openFiles(), .arenas(ProcessEnvironment.current), .memory(MemoryLimits(), least: memory)]
    }

    /// Settings of malloc's arenas, which a service replaces (`Service.prepareProcess`).
    ///
    /// - Parameter environment: of the service.
    /// - Returns: a warning for a number that has no effect.
    package static func arenas(_ environment: [String: String]) -> DoctorFinding {
        let tunables = environment["GLIBC_TUNABLES"] ?? ""
        let tunable = tunables.split(separator: ":").first { $0.hasPrefix("glibc.malloc.arena_max=") }
        let found = environment["MALLOC_ARENA_MAX"].map { "MALLOC_ARENA_MAX=\($0)" } ?? tunable.map { String($0) }
        guard let found, !found.hasSuffix("=\(Service.arenas)") else {
            return .ok("malloc", "\(Service.arenas) arenas, set by the service itself")
        }
        return .warning(
            "malloc", "\(found) has no effect: the service sets \(Service.arenas) arenas itself",
            remedy: "remove it from the unit and the environment file")
    }

    /// Compares the memory that a process may use with what the service may need.
    ///
    /// - Parameters:
    ///   - limits: of this process.
    ///   - least: what the service may need, in bytes.
    /// - Returns: a warning when one of them is lower.
    package static func memory(_ limits: MemoryLimits, least: Int64) -> DoctorFinding {
        let needed = least >> 20
        if let group = limits.group, group.bytes < least {
            return .warning(
                "memory", "a process that is started here may use only \(group.bytes >> 20) MiB (\(group.file))",
                remedy: "MemoryMax= in the unit, or the container's limit: \(needed) MiB or more")
        }
        // An address space also holds what malloc and threads reserve and never use.
        if let space = limits.addressSpace, space < least + MemoryLimits.reserved {
            return .warning(
                "memory", "a process that is started here may map only \(space >> 20) MiB (RLIMIT_AS)",
                remedy: "no LimitAS= in the unit, no ulimit -v; MemoryMax= limits what is used")
        }
        guard let available = limits.available else { return .ok("memory", "not known") }
        guard available < least else { return .ok("memory", "\(available >> 20) MiB are available") }
        return .warning(
            "memory", "\(available >> 20) MiB are available; the service may need \(needed) MiB",
            remedy: "add memory, or move other services to another host")
    }
}

/// How much memory this process may use, as the kernel reports it.
package struct MemoryLimits: Sendable {
    /// The lowest limit of its control groups, and the file that has it; nil without one.
    package let group: (bytes: Int64, file: String)?
    /// RLIMIT_AS in bytes; nil without one.
    package let addressSpace: Int64?
    /// What the host has left: `MemAvailable` of proc(5), meminfo, in bytes.
    package let available: Int64?

    /// What a program maps without using it: libraries, stacks, malloc's arenas.
    static let reserved: Int64 = 272 << 20

    /// - Parameter root: what `/proc` and `/sys` are below.
    package init(root: String = "") {
        group = Self.groups(root).min { $0.bytes < $1.bytes }
        var limit = rlimit()
        let isKnown = unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0
        addressSpace = isKnown && limit.rlim_cur < UInt(Int64.max) ? Int64(limit.rlim_cur) : nil
        let facts = (try? readTextFile(root + "/proc/meminfo")) ?? ""
        let line = facts.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
        available = line?.split(separator: " ").dropFirst().first.flatMap { Int64($0) }.map { $0 << 10 }
    }

    /// The limits of the process's control group and of all above it (cgroups(7)): version 2 has one hierarchy, version 1 one for
    /// memory. Inside a container the group's path may not exist; then the container's own limit is at the top.
    private static func groups(_ root: String) -> [(bytes: Int64, file: String)] {
        let lines = ((try? readTextFile(root + "/proc/self/cgroup")) ?? "").split(separator: "\n")
        return lines.flatMap { line -> [(bytes: Int64, file: String)] in
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return [] }
            let isSecond = fields[0] == "0" && fields[1].isEmpty
            guard isSecond || fields[1].split(separator: ",").contains("memory") else { return [] }
            let (top, name) = isSecond ? ("", "memory.max") : ("/memory", "memory.limit_in_bytes")
            return paths(String(fields[2])).compactMap { path in
                let file = "/sys/fs/cgroup\(top)\(path)/\(name)"
                // `max`, and the huge number of version 1, are no limits.
                guard let bytes = (try? readTextFile(root + file)).flatMap({ Int64($0.trimmed) }), bytes < 1 << 60
                else { return nil }
                return (bytes, file)
            }
        }
    }

    /// A path and all above it; the top is empty.
    private static func paths(_ path: String) -> [String] {
        var (paths, rest) = ([""], "")
        for part in path.split(separator: "/") {
            rest += "/" + part
            paths.append(rest)
        }
        return paths
    }
}
