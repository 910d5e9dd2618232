import Core
import Digests
import Foundation
import Postgres
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader

/// Row F99: what disturbs an export.
@Suite(.ownThreads, .timeLimit(.minutes(4))) struct ExportFaultTests {
    private let database: TestDatabase
    private let folder: TemporaryFolder

    init() throws {
        database = try TestDatabase()
        folder = try TemporaryFolder()
    }

    private func export(
        to path: String, segment: Int64? = nil, during: @escaping (Int64) throws -> Void = { _ in }
    ) throws
        -> ExportManifest
    {
        let connection = try database.connect()
        var export = Export(ExportRequest())
        var progress = ExportProgress(isTerminal: false) { false }
        let output = try ExportFolder(path, .init(fileExtension: "csv", segment: segment), header: export.header)
        let manifest = try export.run(connection, to: Disturbed(output, during), &progress)
        try output.describe(manifest)
        return manifest
    }

    private func tweets(_ path: String, _ manifest: ExportManifest) throws -> Int {
        try manifest.files.reduce(0) { sum, file in
            let digest = try FileDigest(ofFile: "\(path)/\(file.name)")
            #expect(digest.sha256 == file.sha256 && digest.bytes == file.bytes)
            return sum + (try readWholeFile("\(path)/\(file.name)").count { $0 == UInt8(ascii: "\n") } - 1)
        }
    }

    @Test("what is written or deleted while an export runs does not change it")
    func f99AnExportDuringWritesIsOneSnapshot() throws {
        let loader = try Loader.claiming(database.url)
        try loader.settle(TestLines.batch(TestLines.tweets(1500)))
        let url = database.url
        let manifest = try export(to: folder.path + "/export") { id in
            guard id == TestLines.firstID + 10 else { return }
            try loader.settle(
                TestLines.batch(TestLines.tweets(3000, from: TestLines.firstID + 1000), firstOffset: 1500))
            let other = try PostgresConnection.connect(PostgresConninfo(url))
            try other.execute(
                "DELETE FROM tweets WHERE id BETWEEN \(TestLines.firstID + 1200) AND \(TestLines.firstID + 1299)")
        }
        #expect(manifest.tweets == 1500)
        #expect(try tweets(folder.path + "/export", manifest) == 1500)
        #expect(try database.query("SELECT count(*) FROM tweets") == [["3900"]])
    }

    @Test("an export of an empty window has a header, a manifest, and a reason")
    func f99AnEmptyWindowIsAnExportWithAReason() throws {
        let manifest = try export(to: folder.path + "/export")
        #expect(manifest.tweets == 0 && manifest.emptyBecause == "no tweets of that time are stored")
        #expect(try tweets(folder.path + "/export", manifest) == 0)
        #expect(try JournalFolder.names(folder.path + "/export").count == 3)
    }

    @Test(
        "a full disk ends an export, nothing is left, and the next one succeeds",
        .enabled(if: geteuid() == 0, "mounting needs root"))
    func f99AFullDiskLeavesNothing() throws {
        try Loader.claiming(database.url).settle(TestLines.batch(TestLines.tweets(4000)))
        let disk = try SmallDisk(mebibytes: 8)
        let path = disk.path + "/export"
        let error = #expect(throws: FileError.self) {
            try export(to: path, segment: 1000) { id in if id == TestLines.firstID + 1500 { disk.fill() } }
        }
        #expect(error?.code == ENOSPC)
        #expect(!FileManager.default.fileExists(atPath: path))
        disk.empty()
        #expect(try tweets(path, export(to: path, segment: 1000)) == 4000)
    }

    @Test(
        "an export that is interrupted while it waits ends at once with 75 and leaves nothing",
        arguments: [SIGINT, SIGTERM])
    func f99AnInterruptedExportLeavesNothing(signal: Int32) throws {
        try Loader.claiming(database.url).settle(TestLines.batch(TestLines.tweets(10)))
        let lock = try database.connect()
        try lock.execute(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE stream_gaps IN ACCESS EXCLUSIVE MODE")
        let path = folder.path + "/export"
        let process = try start(path)
        try database.waitForBlocked()
        process.send(signal)
        #expect(process.wait(timeout: .seconds(60)) == .status(75))
        #expect(process.readAll().contains("interrupted: no file was exported"))
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("what a killed export leaves has no final name and no manifest, and the next export removes it")
    func f99AKilledExportLeavesOnlyPartialFiles() throws {
        try Loader.claiming(database.url).settle(TestLines.batch(TestLines.tweets(30_000)))
        let path = folder.path + "/export"
        for _ in 0..<20 {
            let process = try start(path, ["--segment", "1000"])
            #expect(
                eventually { (try? JournalFolder.names(path))?.contains { $0.hasSuffix(ExportFolder.partial) } == true }
            )
            process.kill()
            let names = try JournalFolder.names(path)
            if names.contains("MANIFEST.json") {
                try FileManager.default.removeItem(atPath: path)
                continue
            }
            #expect(names.allSatisfy { $0.hasSuffix(ExportFolder.partial) }, "\(names)")
            break
        }
        let process = try start(path, ["--segment", "10000"])
        #expect(process.wait(timeout: .seconds(120)) == .status(0), "\(process.readAll())")
        #expect(
            try JournalFolder.names(path).sorted()
                == ["MANIFEST.json", "README.txt"] + (1...3).map { "tweets-000\($0).csv" })
    }

    private func start(_ path: String, _ arguments: [String] = []) throws -> ChildProcess {
        var command = ChildCommand(
            try siblingExecutable("tweet-loader"), ["export", "--database", database.url, "--output", path] + arguments)
        command.output = .pipe
        return try ChildProcess(command)
    }
}

/// An output that something happens to before each tweet.
private final class Disturbed: ExportOutput {
    private let output: any ExportOutput
    private let during: (Int64) throws -> Void

    init(_ output: any ExportOutput, _ during: @escaping (Int64) throws -> Void) {
        (self.output, self.during) = (output, during)
    }

    func add(_ id: Int64, _ write: (inout [UInt8]) throws -> Void) throws {
        try during(id)
        try output.add(id, write)
    }

    func finish() throws -> [ExportedFile] { try output.finish() }
    func abandon() { output.abandon() }
}
