import Core
import FoundationEssentials
import Journal
import TestSupport
import Testing

/// What `doctor` finds in mounts, malloc's settings and memory.
@Suite(.timeLimit(.minutes(5))) struct SystemDoctorTests {
    /// `/dev/shm` is a tmpfs on every Linux (shm_overview(7)).
    @Test func aJournalInMemory() throws {
        let found = FolderDoctor("/dev/shm").findings.first { $0.name == "mount" }
        #expect(found?.status == .warn, "\(found as Any)")
        #expect(found?.detail.hasPrefix("/dev/shm is on tmpfs: it is deleted with the next restart") == true)
        #expect(found?.remedy?.contains("a volume for JOURNAL_DIR") == true)
    }

    private func mount(_ options: String, kind: String = "ext4", of file: String = "rw") -> DoctorFinding {
        FolderDoctor.mount(Mount(of: "/j/x", "30 22 8:2 / /j \(options) shared:2 - \(kind) /dev/sdb \(file)"), "/j/x")
    }

    /// No kernel lets a test mount without the right to, so these lines are as ext4, xfs and overlayfs write them.
    @Test func mountOptionsThatWeakenAnFsync() {
        for fine in ["rw,noatime", "rw,relatime,nodev,nosuid,noexec", "rw,lazytime"] {
            #expect(mount(fine, of: "rw,data=ordered,barrier=1,discard").status == .ok, "\(fine)")
        }
        #expect(mount("rw", kind: "xfs", of: "rw,attr2,inode64,logbufs=8,noquota").status == .ok)
        let weak = mount("rw,noatime", of: "rw,nobarrier,data=writeback")
        #expect(weak.status == .warn && weak.detail.contains("data=writeback (files may have old blocks"), "\(weak)")
        #expect(weak.remedy == "remove data=writeback, nobarrier from /etc/fstab, and mount it again")
        #expect(mount("rw", of: "rw,barrier=0").status == .warn)
        #expect(mount("rw", kind: "overlay", of: "rw,lowerdir=/a").detail.hasSuffix("it is deleted with the container"))
        #expect(FolderDoctor.mount(Mount(of: "/j", ""), "/j") == .ok("mount", "not known"))
    }

    @Test func ofTwoMountsAtOnePlaceTheLaterOneIsSeen() {
        let mounts = "30 22 8:2 / /j rw - ext4 /dev/sdb rw\n31 30 8:3 / /j rw - nfs4 server:/export rw\n"
        #expect(Mount(of: "/j/x", mounts)?.kind == "nfs4")
    }

    @Test func arenasThatTheServiceSetsItself() {
        let found = DoctorFinding.arenas(["MALLOC_ARENA_MAX": "8"])
        #expect(found.status == .warn && found.detail.hasPrefix("MALLOC_ARENA_MAX=8 has no effect"), "\(found)")
        let tunable = DoctorFinding.arenas(["GLIBC_TUNABLES": "glibc.malloc.check=1:glibc.malloc.arena_max=4"])
        #expect(tunable.detail.hasPrefix("glibc.malloc.arena_max=4 has no effect"))
        for fine in [[:], ["MALLOC_ARENA_MAX": "2"], ["GLIBC_TUNABLES": "glibc.malloc.check=1"]] {
            #expect(DoctorFinding.arenas(fine).status == .ok, "\(fine)")
        }
    }

    /// Files as cgroups(7) and proc(5) have them: a test has no control group of its own.
    private func limits(_ files: [String: String]) throws -> MemoryLimits {
        let folder = try TemporaryFolder()
        for (path, text) in files {
            let parent = path.split(separator: "/").dropLast().joined(separator: "/")
            try FileManager.default.createDirectory(
                atPath: "\(folder.path)/\(parent)", withIntermediateDirectories: true)
            try folder.write(text, to: path)
        }
        return MemoryLimits(root: folder.path)
    }

    @Test func aControlGroupWithTooLittleMemory() throws {
        let second = try limits([
            "proc/self/cgroup": "0::/system.slice/tweet.service\n", "proc/meminfo": "MemAvailable: 8000000 kB\n",
            "sys/fs/cgroup/system.slice/tweet.service/memory.max": "max\n",
            "sys/fs/cgroup/system.slice/memory.max": "67108864\n",
        ])
        let found = DoctorFinding.memory(second, least: 128 << 20)
        #expect(found.detail.contains("only 64 MiB (/sys/fs/cgroup/system.slice/memory.max)"), "\(found)")
        #expect(found.status == .warn && found.remedy?.hasSuffix("128 MiB or more") == true)
        #expect(DoctorFinding.memory(second, least: 64 << 20).status == .ok)
        let first = try limits([
            "proc/self/cgroup": "12:cpu,cpuacct:/a\n4:memory:/docker/1\n", "proc/meminfo": "MemAvailable: 8000000 kB\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "100000000\n",
            "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "9223372036854771712\n",
        ])
        // Inside a container the path of the group is that of the host.
        #expect(first.group?.file == "/sys/fs/cgroup/memory/memory.limit_in_bytes", "\(first)")
        #expect(DoctorFinding.memory(first, least: 128 << 20).status == .warn)
    }

    @Test func aHostWithTooLittleMemory() throws {
        let full = try limits(["proc/meminfo": "MemTotal: 500000 kB\nMemAvailable:   102400 kB\n"])
        let found = DoctorFinding.memory(full, least: 128 << 20)
        #expect(found.detail == "100 MiB are available; the service may need 128 MiB", "\(found)")
        #expect(DoctorFinding.memory(full, least: 64 << 20) == .ok("memory", "100 MiB are available"))
    }
}
