import Foundation
import Harness
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import ObjectStore
@testable import TweetProducer

/// The way of segments into a bucket, and what does not happen to them while the bucket is away.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(6))) struct UploaderTests {
    /// One of its own: faults are set for a whole server, and suites run beside each other.
    static let server = Result { try S3TestServer() }
    let server: S3TestServer
    let folder: TemporaryFolder
    let log = LogRecorder()

    init() throws {
        server = try Self.server.get()
        try server.setFaults("[]")
        folder = try TemporaryFolder()
    }

    private var archive: String { folder.path + "/s/archive" }

    /// Runs an archiver and an uploader beside `body`, then stops both.
    private func run(
        _ journal: Journal, _ settings: S3Settings, _ change: (inout ArchiveOptions) -> Void,
        metrics: UploadMetrics = UploadMetrics(), _ body: (UploadedFiles) throws -> Void
    ) throws {
        var archiveOptions = ArchiveOptions()
        archiveOptions.uploaded = UploadedFiles()
        change(&archiveOptions)
        let options = S3UploadOptions(
            location: try #require(S3Location("s3://\(S3TestServer.bucket)/\(journal.source.journal)")))
        let (source, chosen, stop, logger) = (journal.source, archiveOptions, Stop(), log.logger)
        let uploaded = try #require(archiveOptions.uploaded)
        let archiver = JoinableThread(name: "archiver") {
            Archiver(source, options: chosen, stop: stop, logger: logger).run()
        }
        let uploader = JoinableThread(name: "uploader") {
            Uploader(
                source, settings: settings, options: options, uploaded: uploaded, stop: stop, logger: logger,
                metrics: metrics
            ).run()
        }
        let result = Result { try body(uploaded) }
        stop.raise()
        archiver.join()
        uploader.join()
        try result.get()
    }

    /// A segment for every ten numbers, and one line behind them: the last closed segment stays while nothing follows it.
    private func fill(_ journal: Journal, _ numbers: ClosedRange<Int>) throws {
        for number in numbers {
            try journal.append(#"{"data":{"id":"\#(number)"}}"#, at: Timestamp.now().milliseconds, connection: 1)
            if number % 10 == 0 {
                try journal.sync()
                journal.source.tail.requestRoll()
                try journal.sync()
            }
        }
        try journal.append("open", at: Timestamp.now().milliseconds, connection: 1)
        try journal.sync()
        journal.source.tail.publish(acknowledged: journal.source.tail.lastSeq)
    }

    private func open(_ change: (inout JournalOptions) -> Void = { _ in }) throws -> Journal {
        var options = JournalOptions()
        options.reserve = 0
        change(&options)
        return try Journal.open(folder: folder.path, stream: "s", options: options)
    }

    private func objects(_ journal: Journal) throws -> [String] {
        var client = try S3Client(server.settings(), bucket: S3TestServer.bucket, stop: Stop())
        return try client.list(prefix: "\(journal.source.journal)/").map(\.key)
    }

    private func archived() -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: archive).filter { $0.hasSuffix(".jsonl.gz") }) ?? []
    }

    private func status() throws -> JournalStatus {
        try JournalStatus(folder: folder.path, stream: "s", quota: nil)
    }

    /// Waits until something holds that no notification tells of.
    private func wait(until isDone: () throws -> Bool) throws -> Bool {
        if eventually(within: .seconds(90), { (try? isDone()) == true }) { return true }
        return try isDone()
    }

    @Test func whatIsUploadedAndVerifiedMayGoHere() throws {
        let journal = try open()
        try fill(journal, 1...50)
        try run(journal, server.settings(), { $0.keep = .bytes(0) }) { (_) throws in
            #expect(log.wait { line in line.message == "uploaded a segment" && log.count("uploaded a segment") == 5 })
            #expect(try wait { try status().removedLines == 50 })
            #expect(try wait { try status().uploads?.state == "uploading" })
            #expect(try wait { archived().isEmpty })
        }
        let keys = try objects(journal)
        #expect(keys.count == 10)
        #expect(keys.allSatisfy { $0.hasPrefix("\(journal.source.journal)/s/\(journal.source.journal)/s-20") })
        let uploads = try #require(try status().uploads)
        #expect(uploads.segments == 5)
        #expect(uploads.waitingSegments == 0)
        #expect(try server.requests().allSatisfy { $0.mistake == nil })
        #expect(try JournalVerification(folder: folder.path, stream: "s").problems == [])
    }

    @Test func uploadsAreCountedAndWhatWaitsHasItsAge() throws {
        let registry = MetricsRegistry(prefix: "t")
        let metrics = UploadMetrics(registry)
        func has(_ samples: String...) -> Bool {
            let lines = registry.text(.prometheus).split(separator: "\n")
            return samples.allSatisfy { sample in lines.contains { $0 == sample } }
        }
        let none = ["t_upload_waiting_bytes 0", "t_upload_oldest_waiting_timestamp_seconds 0"]
        #expect(has(#"t_upload_segments_total{result="ok"} 0"#, none[0], none[1]))
        let away = try ScriptedServer { $0.resetAtClose() }
        defer { away.close() }
        let journal = try open()
        try fill(journal, 1...20)
        var settings = try server.settings()
        settings.endpoint = away.url
        try run(journal, settings, { _ in }, metrics: metrics) { _ in
            let waits = try wait {
                try status().uploads?.waitingBytes ?? 0 > 0 && !has(none[0]) && !has(none[1])
                    && !has(#"t_upload_segments_total{result="failed"} 0"#)
            }
            #expect(waits, "\(registry.text(.prometheus))")
        }
        try run(journal, server.settings(), { _ in }, metrics: metrics) { _ in
            let isDone = try wait { has(#"t_upload_segments_total{result="ok"} 2"#, none[0], none[1]) }
            #expect(isDone)
        }
        let bytes = try #require(try status().uploads).bytes
        #expect(has("t_upload_bytes_total \(bytes)"), "\(registry.text(.prometheus))")
    }

    @Test func theEndOfTheBucketsCertificateIsKnown() throws {
        let tls = try TLSServer(name: "DNS:localhost")
        var settings = try server.settings()
        settings.endpoint = "https://localhost:\(tls.port)"
        settings.caFile = tls.certificate
        var left = Duration.zero
        let isKnown = try wait {
            var client = try S3Client(settings, bucket: "tweets", stop: Stop())
            _ = try? client.list(prefix: "")
            guard let expiry = client.certificateExpiry else { return false }
            left = .milliseconds(expiry.milliseconds - Timestamp.now().milliseconds)
            return true
        }
        #expect(isKnown && left > .seconds(47 * 3600) && left < .seconds(49 * 3600), "\(left)")
    }

    /// After a crash between the upload and its record, a segment goes up once more, and the list is read again.
    @Test func aStartGoesOnWhereTheListEnds() throws {
        let journal = try open()
        try fill(journal, 1...30)
        try run(journal, server.settings(), { _ in }) { _ in
            #expect(log.wait { _ in log.count("uploaded a segment") == 3 })
        }
        let list = archive + "/uploads.jsonl"
        let lines = try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n")
        try Data((lines[0] + "\n" + lines[1].prefix(20)).utf8).write(to: URL(filePath: list))
        let second = LogRecorder()
        let (source, stop) = (journal.source, Stop())
        let options = S3UploadOptions(location: try #require(S3Location("s3://\(S3TestServer.bucket)/again")))
        let settings = try server.settings()
        let thread = JoinableThread(name: "uploader") {
            Uploader(
                source, settings: settings, options: options, uploaded: UploadedFiles(), stop: stop,
                logger: second.logger
            ).run()
        }
        #expect(second.wait { _ in second.count("uploaded a segment") == 2 })
        stop.raise()
        thread.join()
        #expect(try UploadList(folder: archive).records.count == 3)
    }

    /// F70: whatever the bucket does, lines are taken and archived, nothing that is not uploaded goes, and it ends well.
    @Test(arguments: [
        #"{"status":"503 Slow Down","count":2}"#, #"{"early":"413 Payload Too Large","count":1}"#,
        #"{"status":"301 Moved","headers":{"Location":"/tweets/again"},"count":2}"#, #"{"delay":1,"count":2}"#,
        #"{"method":"PUT","damage":true}"#, #"{"status":"403 Forbidden","count":2}"#,
    ])
    func f70WhateverTheBucketDoesTheJournalGoesOn(fault: String) throws {
        try server.setFaults("[\(fault)]")
        let journal = try open()
        try fill(journal, 1...20)
        try run(journal, server.settings(), { $0.keep = .bytes(0) }) { uploaded in
            try fill(journal, 21...50)
            #expect(try wait { try status().archived.segments > 0 || status().removedLines > 0 })
            if fault.contains("413") {
                // A refused object is tried again after minutes; all others go up at once.
                #expect(log.wait { _ in log.count("uploaded a segment") == 4 })
                #expect(
                    log.count("a segment cannot be uploaded; retrying every 5 minutes while others are uploaded") == 1)
                #expect(archived().contains { !uploaded.contains($0) }, "what is not uploaded stays")
            } else {
                #expect(log.wait { _ in log.count("uploaded a segment") == 5 })
                #expect(try objects(journal).count == 10)
            }
        }
        #expect(log.lines.count { $0.level == .warning } <= 3, "told once, not for every attempt")
    }

    @Test func f70ABucketThatIsAwayFillsNoMoreThanTheQuota() throws {
        let away = try ScriptedServer { $0.resetAtClose() }
        defer { away.close() }
        var settings = try server.settings()
        settings.endpoint = away.url
        // Two thirds of what 450 segments and their lines in the manifest take. The reserve is what 50 lines need.
        let journal = try open {
            $0.quota = 200_000
            $0.reserve = 10_000
        }
        try run(journal, settings, { $0.whenFull = .dropOldest }) { _ in
            for part in 0..<90 {
                // Room is made on the archiver's thread.
                let last = part * 50 + 50
                #expect(try wait { journal.source.space.hasRoom })
                try fill(journal, (last - 49)...last)
                if part == 0 { #expect(try wait { try status().uploads?.waitingSegments ?? 0 > 0 }) }
            }
            #expect(log.wait { $0.message == "uploading failed; retrying while the journal continues" })
            #expect(try wait { try status().uploads?.state?.hasPrefix("waiting: ") == true })
            #expect(try wait { try status().removedLines > 0 }, "the oldest of the archive makes room")
        }
        #expect(log.count("uploading failed; retrying while the journal continues") == 1)
        let told = try status()
        #expect(told.lastSeq == 4590)
        #expect(told.droppedLines == 0, "Kafka had every line")
        #expect(told.uploads?.segments == 0)
    }
}
