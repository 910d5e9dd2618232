import Glibc

/// What every service exports of itself, whatever it does.
extension MetricsRegistry {
    /// Declares the version, the log, the loops and the process.
    ///
    /// - Parameter health: knows the loops.
    package func addProcess(_ health: ServiceHealth) {
        info("build", "Version of the program.", [("version", productVersion)])
        counters("log_messages", "Messages that were logged, by level.", by: "level") {
            [("warning", LogCounts.warnings), ("error", LogCounts.errors)].map { ($0.0, Double($0.1)) }
        }
        gauges(
            "loop_last_beat_timestamp_seconds", "When a thread last gave a sign of life.", unit: .seconds, by: "loop"
        ) {
            health.beats.map { ($0.loop, Double($0.last) / 1000) }
        }
        let start = Double(Timestamp.now().milliseconds) / 1000
        process(.gauge, "start_time_seconds", unit: .seconds, "When the process started.") { start }
        process(.counter, "cpu_seconds", unit: .seconds, "CPU time of the process, user and system.") {
            ProcessUsage.cpuSeconds
        }
        process(.gauge, "resident_memory_bytes", unit: .bytes, "Memory of the process in RAM.") {
            ProcessUsage.memory.resident
        }
        process(.gauge, "virtual_memory_bytes", unit: .bytes, "Address space of the process.") {
            ProcessUsage.memory.virtual
        }
        process(.gauge, "open_fds", "Open file descriptors.") { ProcessUsage.openDescriptors }
        process(.gauge, "max_fds", "Limit of open file descriptors (RLIMIT_NOFILE).") { ProcessUsage.mostDescriptors }
    }
}

/// What the kernel reports of this process.
enum ProcessUsage {
    static var cpuSeconds: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// proc(5), statm: pages.
    static var memory: (virtual: Double, resident: Double) {
        let bytes = (try? readWholeFile("/proc/self/statm")) ?? []
        let pages = String(decoding: bytes, as: UTF8.self).split(separator: " ").prefix(2).compactMap { Double($0) }
        let size = Double(sysconf(Int32(_SC_PAGESIZE)))
        return (pages.first.map { $0 * size } ?? 0, pages.dropFirst().first.map { $0 * size } ?? 0)
    }

    static var openDescriptors: Double {
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var count = 0.0
        while unsafe readdir(folder) != nil { count += 1 }
        // Without `.`, `..` and the descriptor of the folder itself.
        return max(0, count - 3)
    }

    static var mostDescriptors: Double {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return Double(limit.rlim_cur)
    }
}
