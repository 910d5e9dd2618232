import Core
import FoundationEssentials
import Glibc
import TestSupport
import Testing

@testable import TweetProducer

/// What `doctor` finds in files, disks, clocks and figures.
@Suite(.timeLimit(.minutes(1))) struct ProducerDoctorTests {
    @Test func aJournalOnANetworkFileSystem() {
        #expect(
            FolderDoctor.kind("nfs4", "/j").status == .fail && FolderDoctor.kind("nfs4", "/j").detail.contains("nfs4"))
        #expect(FolderDoctor.kind("ext4", "/j").status == .ok && FolderDoctor.kind("", "/j").status == .ok)
        let mounts = """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            30 22 0:40 / /data rw shared:2 - nfs4 server:/export rw,vers=4.2
            31 30 8:2 / /data/fast\\040disk rw - xfs /dev/sdb rw

            """
        for (folder, kind) in [
            ("/var/lib", "ext4"), ("/data", "nfs4"), ("/data/x/y", "nfs4"), ("/database", "ext4"),
            ("/data/fast disk/j", "xfs"),
        ] { #expect(FolderDoctor.fileSystem(of: folder, mounts) == kind, "\(folder)") }
    }

    @Test func aSlowDisk() {
        let fast = [Duration](repeating: .milliseconds(2), count: 19) + [.milliseconds(900)]
        #expect(FolderDoctor.speed(fast).status == .ok)
        #expect(FolderDoctor.speed([Duration](repeating: .milliseconds(51), count: 20)).status == .warn)
    }

    @Test func aFolderThatCanBeMadeIsAsGoodAsOneThatIsThere() throws {
        let folder = try TemporaryFolder()
        let findings = FolderDoctor(folder.path + "/a/b").findings
        #expect(findings.map(\.name) == ["journal", "room", "fsync"] && findings.allSatisfy { $0.status != .fail })
        // What was written is gone.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        try folder.write("", to: "file")
        #expect(FolderDoctor(folder.path + "/file/x").findings.first?.status == .fail)
    }

    @Test func aTokenThatEveryUserCanRead() throws {
        let folder = try TemporaryFolder()
        try folder.write("t", to: "token")
        _ = unsafe chmod(folder.path + "/token", 0o644)
        let open = ProducerDoctor.secretFile("token", folder.path + "/token")
        #expect(open.status == .warn && open.remedy == "chmod 600 \(folder.path)/token")
        _ = unsafe chmod(folder.path + "/token", 0o600)
        #expect(ProducerDoctor.secretFile("token", folder.path + "/token").status == .ok)
        #expect(ProducerDoctor.secretFile("token", folder.path + "/none").status == .fail)
    }

    @Test func aClockThatIsOff() {
        let now = Timestamp("2026-11-29T17:00:00Z") ?? .now()
        #expect(ProducerDoctor.clock("Sun, 29 Nov 2026 17:00:02 GMT", now: now).status == .ok)
        let off = ProducerDoctor.clock("Sun, 29 Nov 2026 16:59:50 GMT", now: now)
        #expect(off.status == .warn && off.detail.hasPrefix("10 s from X's"))
        #expect(
            ProducerDoctor.clock(nil, now: now).status == .ok && ProducerDoctor.clock("never", now: now).status == .ok)
    }

    @Test func moneyThatEndsBeforeTheCycle() {
        let posts = Dictionary(uniqueKeysWithValues: (90...99 as ClosedRange<Int64>).map { ($0, Int64(1000)) })
        let enough = ProducerDoctor.money(posts, today: 100, from: 95, until: 110, limit: 15_000)
        #expect(
            enough.status == .ok
                && enough.detail == "5000 posts of 15000 are used; at 1000 a day the cycle ends with 15000")
        #expect(ProducerDoctor.money(posts, today: 100, from: 95, until: 110, limit: 14_999).status == .warn)
        #expect(ProducerDoctor.money([:], today: 100, from: 95, until: 110, limit: 1).status == .ok)
    }

    @Test func aLibraryThatKafka4Rejects() {
        #expect(ProducerDoctor.library("2.0.2", mechanism: "SCRAM-SHA-512").status == .warn)
        #expect(ProducerDoctor.library("2.0.2", mechanism: "PLAIN").status == .ok)
        #expect(ProducerDoctor.library("2.6.1", mechanism: "SCRAM-SHA-512").status == .ok)
        #expect(ProducerDoctor.library("2.10.0-RC1", mechanism: "SCRAM-SHA-512").status == .ok)
    }

    @Test func topicsThatLoseOrRejectLines() {
        let fits = ["retention.ms": "604800000", "max.message.bytes": "5000000", "cleanup.policy": "delete"]
        #expect(ProducerDoctor.topic("t", fits, lineLimit: 4 << 20).map(\.status) == [.ok])
        #expect(ProducerDoctor.topic("t", ["retention.ms": "-1"], lineLimit: 4 << 20).map(\.status) == [.ok])
        let wrong = ["retention.ms": "3600000", "max.message.bytes": "1048588", "cleanup.policy": "compact"]
        #expect(ProducerDoctor.topic("t", wrong, lineLimit: 4 << 20).map(\.status) == [.warn, .warn, .fail])
        #expect(ProducerDoctor.topic("t", [:], lineLimit: 1).map(\.status) == [.ok])
    }
}
