import Core
import Glibc
import Journal
import Logging

/// How long the producer takes from its start to its request to X, beside a large archive and beside none.
struct StartBench {
    let segments: Int

    private static let rounds = 5
    /// Segments that wait for the archiver at once.
    private static let atOnce = 500

    func run() throws -> [Figure] {
        tellProgress("start: archiving \(segments) segments")
        let folder = try SandboxFolder(user: nil)
        defer { folder.delete() }
        try archive(in: folder)
        tellProgress("start: starting the producer")
        let beside = try median(journal: "\(folder.path)/journal")
        let alone = try median(journal: nil)
        return [
            Figure("producer_start_ms", beside, "ms", "producer: start to request, \(segments) archived segments"),
            Figure("producer_start_empty_ms", alone, "ms", "producer: start to request, empty journal"),
        ]
    }

    /// Makes a journal of one-line segments and lets the archiver take all but the last; in memory, where fsync is quick.
    private func archive(in folder: SandboxFolder) throws {
        let aside = "/dev/shm/tweet-bench-\(getpid())"
        defer { _ = try? ChildProcess.run(ChildCommand("/bin/rm", ["-rf", aside])) }
        var options = JournalOptions()
        options.segmentBytes = 1
        let journal = try Journal.open(folder: aside, stream: "default", options: options)
        let source = journal.source
        let stop = Stop()
        let thread = JoinableThread(name: "archiver") {
            Archiver(source, options: ArchiveOptions(), stop: stop, logger: BenchKafka.quiet).run()
        }
        let result = Result { try fill(journal) }
        stop.raise()
        thread.join()
        try result.get()
        let (exit, output) = try ChildProcess.run(ChildCommand("/bin/cp", ["-r", aside, "\(folder.path)/journal"]))
        guard exit == .status(0) else { throw Failure(.disk, "cp: \(output)") }
    }

    private func fill(_ journal: Journal) throws {
        let source = journal.source
        let lines = BenchLines(.some).make(0..<Int64(segments + 1))
        for start in stride(from: 0, to: lines.count, by: Self.atOnce) {
            for line in lines[start..<min(start + Self.atOnce, lines.count)] {
                try unsafe line.withBytes { (line) throws(FileError) in
                    try unsafe journal.append(line, receivedAt: .now(), connection: 0)
                }
                try journal.sync()
            }
            try Checkpoint(journal: source.journal, acknowledged: source.tail.lastSeq).write(to: source.folder)
            source.tail.publish(acknowledged: source.tail.lastSeq)
            let deadline = ContinuousClock.now + .seconds(60)
            while try plainSegments(source) > 1 {
                guard ContinuousClock.now < deadline else { throw Failure(.unavailable, "the archiver is too slow") }
                usleep(20_000)
            }
        }
    }

    private func plainSegments(_ source: JournalSource) throws -> Int {
        let (_, output) = try ChildProcess.run(ChildCommand("/bin/ls", [source.folder]))
        return output.split(separator: "\n").count { $0.hasSuffix(".jsonl") }
    }

    private func median(journal: String?) throws -> Double {
        try (0..<Self.rounds).map { _ in
            let server = try LineServer(.silence)
            return try server.serving {
                let nobody = "127.0.0.1:\(try freePort())"
                let service = try BenchService.producer(server, kafka: nobody, topic: "tweets", journal: journal)
                let start = ContinuousClock.now
                return try service.running { _ in
                    start.duration(to: try server.wait(isComplete: false, atMost: .seconds(60)).accepted).seconds * 1000
                }
            }
        }.median
    }
}
