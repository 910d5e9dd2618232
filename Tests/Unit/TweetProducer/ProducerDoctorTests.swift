import Core
import FoundationEssentials
import Glibc
import Journal
import KafkaClient
import TestSupport
import Testing

@testable import TweetProducer

/// What `doctor` finds in files, disks, clocks and figures.
@Suite(.timeLimit(.minutes(5))) struct ProducerDoctorTests {
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
        #expect(findings.map(\.name) == ["journal", "mount", "room", "fsync"])
        #expect(findings.allSatisfy { $0.status != .fail })
        // What was written is gone.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        try folder.write("", to: "file")
        #expect(FolderDoctor(folder.path + "/file/x").findings.first?.status == .fail)
    }

    @Test func aTokenThatEveryUserCanRead() throws {
        let folder = try TemporaryFolder()
        try folder.write("t", to: "token")
        _ = unsafe chmod(folder.path + "/token", 0o644)
        let open = DoctorFinding.secretFile("token", folder.path + "/token")
        #expect(open.status == .warn && open.remedy == "chmod 600 \(folder.path)/token")
        _ = unsafe chmod(folder.path + "/token", 0o600)
        #expect(DoctorFinding.secretFile("token", folder.path + "/token").status == .ok)
        #expect(DoctorFinding.secretFile("token", folder.path + "/none").status == .fail)
    }

    @Test func aClockThatIsOff() {
        let now = Timestamp("2026-11-29T17:00:00Z") ?? .now()
        #expect(XDoctor.clock("Sun, 29 Nov 2026 17:00:02 GMT", now: now).status == .ok)
        let off = XDoctor.clock("Sun, 29 Nov 2026 16:59:50 GMT", now: now)
        #expect(off.status == .warn && off.detail.hasPrefix("10 s from X's"))
        #expect(
            XDoctor.clock(nil, now: now).status == .ok && XDoctor.clock("never", now: now).status == .ok)
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
        #expect(KafkaDoctor.library("2.0.2", mechanism: "SCRAM-SHA-512").status == .warn)
        #expect(KafkaDoctor.library("2.0.2", mechanism: "PLAIN").status == .ok)
        #expect(KafkaDoctor.library("2.6.1", mechanism: "SCRAM-SHA-512").status == .ok)
        #expect(KafkaDoctor.library("2.10.0-RC1", mechanism: "SCRAM-SHA-512").status == .ok)
    }

    @Test func topicsThatLoseOrRejectLines() {
        let fits = ["retention.ms": "604800000", "max.message.bytes": "5000000", "cleanup.policy": "delete"]
        #expect(KafkaDoctor.topic("t", fits, lineLimit: 4 << 20).isEmpty)
        #expect(KafkaDoctor.topic("t", ["retention.ms": "-1"], lineLimit: 4 << 20).isEmpty)
        let wrong = ["retention.ms": "3600000", "max.message.bytes": "1048588", "cleanup.policy": "compact"]
        #expect(KafkaDoctor.topic("t", wrong, lineLimit: 4 << 20).map(\.status) == [.warn, .warn, .fail])
        #expect(KafkaDoctor.topic("t", [:], lineLimit: 1).isEmpty)
    }

    @Test func copiesThatALostDiskTakesAway() {
        let few = KafkaDoctor.copies("t", 2, brokers: 3, [:])
        #expect(few?.status == .warn && few?.detail.hasPrefix("2 copies of each message on 3 brokers") == true)
        #expect(KafkaDoctor.copies("t", 3, brokers: 3, ["min.insync.replicas": "1"])?.status == .warn)
        #expect(KafkaDoctor.copies("t", 3, brokers: 3, ["min.insync.replicas": "2"]) == nil)
        // There is no place for more.
        #expect(KafkaDoctor.copies("t", 1, brokers: 1, ["min.insync.replicas": "1"]) == nil)
    }

    @Test func aCertificateThatEndsSoon() {
        let now = Timestamp.now()
        func found(_ days: Int64) -> DoctorFinding {
            .certificate("tls", of: "db", ends: now.advanced(by: .seconds(days * 86_400)), now: now)
        }
        #expect(found(14).status == .ok && found(-1).status == .fail)
        #expect(found(13).status == .warn && found(13).detail.hasPrefix("the certificate of db ends in 13 days"))
    }

    @Test func tooFewFiles() {
        #expect(DoctorFinding.openFiles(256).status == .warn && DoctorFinding.openFiles(1024).status == .ok)
    }

    @Test func anotherConnectionAndNoAttemptLeft() {
        #expect(XDoctor.connections(1, isRunning: false, plan: .selfServe).status == .warn)
        #expect(XDoctor.connections(1, isRunning: true, plan: .selfServe).status == .ok)
        #expect(XDoctor.connections(2, isRunning: true, plan: .selfServe).status == .warn)
        #expect(XDoctor.connections(2, isRunning: false, plan: .enterprise).status == .ok)
        let now = Timestamp.now()
        let used = ConnectWindow(limit: 2, attempts: [now, now])
        #expect(XDoctor.budget(used, now: now).status == .warn)
        #expect(XDoctor.budget(ConnectWindow(limit: 3, attempts: [now, now]), now: now).status == .ok)
    }

    @Test func theProbeReadsWhatTheProducerCounts() {
        let text = "# HELP\ntweet_producer_journal_durable_seq 7\ntweet_producer_journal_acknowledged_seq 6\n"
        let numbers = ProducerProbe.numbers(text)
        #expect(numbers?.durable == 7 && numbers?.acknowledged == 6)
        #expect(ProducerProbe.numbers("<html>") == nil)
    }
}
