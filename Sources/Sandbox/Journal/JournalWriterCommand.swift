import ArgumentParser
import Core
import Glibc
import Journal
import Logging
import Synchronization

/// Writes, reads, checkpoints and archives a journal as the producer does, without X and Kafka, to be killed in tests.
///
/// Prints `durable N` when N lines of this run are on the disk. Each line names its run and its place in the run, so that
/// a test can distinguish a hole from a double.
struct JournalWriterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal-writer",
        abstract: "Writes lines into a journal, archives them, and says how many are durable.",
        shouldDisplay: false)

    @Option(help: "Folder of the journal.")
    var folder: String

    @Option(name: .customLong("run"), help: "Name of this run, part of every line.")
    var runName: String

    @Option(help: "Lines to write.")
    var lines = 200

    @Option(help: "Seed of the group sizes and of the archive's settings.")
    var seed: UInt64 = 0

    func run() throws {
        try runCommand {
            var options = JournalOptions()
            options.segmentBytes = 700
            options.reserve = 0
            let journal = try Journal.open(folder: folder, stream: "s", options: options)
            let (source, stop) = (journal.source, Stop())
            let archiver = startArchiver(source, stop)
            let publisher = JoinableThread(name: "publisher") { publish(source) }
            let result = Result { try write(to: journal) }
            source.tail.close()
            publisher.join()
            try awaitArchive()
            stop.raise()
            archiver.join()
            try result.get()
        }
    }

    private func write(to journal: Journal) throws {
        var durable = 0
        var number = seed
        for line in 1...lines {
            try Self.append(#"{"data":{"id":"\#(line)","run":"\#(runName)"}}"#, to: journal)
            number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            guard number >> 61 == 0 || line == lines else { continue }
            try journal.sync()
            durable = line
            writeToStandardOutput("durable \(durable)\n")
        }
    }

    /// Waits until every segment but the open one is archived, also on a busy machine.
    private func awaitArchive() throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try Segment.list(folder + "/s").count > 1, ContinuousClock.now < deadline { usleep(5000) }
    }

    private static func append(_ text: String, to journal: Journal) throws {
        try unsafe Array(text.utf8).withBytes { (bytes) throws(FileError) in
            try unsafe journal.append(bytes, receivedAt: .now(), connection: 1)
        }
    }

    private func startArchiver(_ source: JournalSource, _ stop: Stop) -> JoinableThread {
        var options = ArchiveOptions()
        options.isCompressed = seed % 4 != 0
        let chosen = options
        return JoinableThread(name: "archiver") {
            Archiver(
                source, options: chosen, stop: stop,
                logger: Logger(label: "journal-writer") { _ in SwiftLogNoOpLogHandler() }
            ).run()
        }
    }

    /// Stands for Kafka: takes every durable line at once.
    private func publish(_ source: JournalSource) {
        do {
            var checkpoint =
                try Checkpoint.read(from: source.folder, journal: source.journal)
                ?? Checkpoint(journal: source.journal, acknowledged: 0)
            var reader = try JournalReader(source, from: checkpoint.acknowledged + 1)
            while true {
                let isLast = source.tail.isClosed
                while try reader.read(limit: 10, { _ in }) > 0 {
                    checkpoint.acknowledged = reader.nextSeq - 1
                    try checkpoint.write(to: source.folder)
                    source.tail.publish(acknowledged: checkpoint.acknowledged)
                }
                if isLast { return }
                source.tail.wait(for: reader.nextSeq, atMost: .milliseconds(20))
            }
        } catch {
            writeToStandardError("publisher: \(error)\n")
            Glibc.exit(ExitStatus.disk.rawValue)
        }
    }
}

/// Writes a text with one `write(2)`, so that it has left the process when this returns.
private func writeToStandardOutput(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}
