import Foundation
import Harness
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import Journal
@testable import ObjectStore
@testable import TweetFormat
@testable import TweetProducer

/// Compares a journal whose producer is dead with the bucket that it uploads to.
struct ArchiveAudit {
    let server: S3TestServer
    private let journals: String
    /// What the manifest has said of files, also of those that it tells of no more.
    private var listed: [String: String] = [:]
    /// Numbers that are in verified objects.
    private var uploaded: [ClosedRange<Int64>] = []
    private var looked: Set<String> = []
    /// Lines of the bucket's objects, without events of the producer.
    private var lines: [[UInt8]] = []
    private var looks = 0

    init(_ journals: String, server: S3TestServer) {
        self.journals = journals
        self.server = server
    }

    private var folder: String { journals + "/default" }
    private var archive: String { folder + "/archive" }

    var summary: String { "\(looks) looks, \(uploaded.count) segments in the bucket" }

    /// Looks at what is here: whole, every number accounted for, and `zcat` takes every file.
    mutating func look(_ comment: Comment) throws {
        looks += 1
        guard try JournalFolder.size(archive) != nil else { return }
        let verification = try JournalVerification(folder: journals, stream: "default")
        #expect(verification.problems == [], comment)
        try Manifest.read(folder: archive) { _, entry in
            if let file = entry?.file, let sha256 = entry?.sha256 { listed[file] = sha256 }
            if let receipts = entry?.receipts { listed[receipts.file] = receipts.sha256 }
        }
        let files = try JournalFolder.names(archive).filter { $0.hasSuffix(".gz") }
        guard !files.isEmpty else { return }
        #expect(try Self.run("/bin/zcat", ["--"] + files.map { archive + "/" + $0 }), comment)
    }

    /// Every object holds what its segment did, and what is not here any more is there.
    mutating func compareBucket() throws {
        let identity = try JournalIdentity.read(folder: folder, stream: "default")
        let prefix = "raw/default/\(identity.journal)/"
        var client = try S3Client(server.settings(), bucket: S3TestServer.bucket, stop: Stop())
        let objects = try client.list(prefix: prefix)
        let names = Set(objects.map { String($0.key.dropFirst(prefix.count)) })
        for object in objects where looked.insert(object.key).inserted {
            let name = String(object.key.dropFirst(prefix.count))
            try compare(object, name: name, &client)
            if let segment = ArchiveName(name) { #expect(names.contains(segment.receipts), "\(name) came first") }
        }
        for run in try ManifestSummary(folder: archive).gone {
            #expect(run.event == .removed)
            #expect(missing(run.firstSeq...run.lastSeq) == nil, "removed here, and not in the bucket")
        }
    }

    private mutating func compare(_ object: S3Client.Object, name: String, _ client: inout S3Client) throws {
        let bytes = Bytes()
        try unsafe client.get(object.key) { piece in
            unsafe bytes.add(piece)
            return true
        }
        let copy = NSTemporaryDirectory() + "audit-\(getpid())-" + name
        defer { try? JournalFolder.remove(copy) }
        try Data(bytes.all).write(to: URL(filePath: copy))
        let digest = try FileDigest(ofFile: copy)
        if let sha256 = listed[name] { #expect(digest.sha256 == sha256, "\(name) is not what the manifest says") }
        if name.hasSuffix(".gz") { #expect(try Self.run("/bin/zcat", ["--", copy]), "\(name)") }
        guard let segment = ArchiveName(name) else { return }
        let headers = try client.send("HEAD", object.key).headers
        let content = try ArchivedFile.read(copy)
        #expect(headers["x-amz-meta-plain-sha256"] == content.digest.sha256, "\(name)")
        #expect(headers["x-amz-meta-lines"] == "\(content.lines)", "\(name)")
        uploaded.append(segment.firstSeq...(segment.firstSeq + content.lines - 1))
        try ReplayFile(copy).read { line, _ in
            let bytes = unsafe Array(line.bytes)
            if PipelineEvent(line: bytes) == nil { lines.append(bytes) }
        }
    }

    /// The first of some numbers that is in no object.
    private func missing(_ seqs: ClosedRange<Int64>) -> Int64? {
        var next = seqs.lowerBound
        for range in uploaded.sorted(by: { $0.lowerBound < $1.lowerBound }) where range.lowerBound <= next {
            next = max(next, range.upperBound + 1)
        }
        return next > seqs.upperBound ? nil : next
    }

    /// Lines in the bucket that X has not sent.
    func strangeLines(issued: Set<[UInt8]>) -> Int {
        lines.count { !$0.isEmpty && !issued.contains($0) }
    }

    private static func run(_ program: String, _ arguments: [String]) throws -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}

/// Bytes that come in pieces.
private final class Bytes {
    private(set) var all: [UInt8] = []

    func add(_ piece: UnsafeRawBufferPointer) {
        unsafe all.append(contentsOf: piece)
    }
}
