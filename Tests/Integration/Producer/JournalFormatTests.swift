import Foundation
import Logging
import TestSupport
import Testing

@testable import Core
@testable import Journal

/// The format as `docs/journal.md` has it, read by a program that shares no line with ours.
@Suite(
    .timeLimit(.minutes(4)),
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "no python3"))
struct JournalFormatTests {
    /// Prints `seq received_at connection line` for every line, of the archive first, and what does not fit.
    private static let reader = """
        import glob, gzip, json, os, struct, sys, zlib
        folder = sys.argv[1]
        name = json.load(open(folder + "/journal.json"))
        assert len(name["journal"]) == 8 and name["stream"] == "s", name
        for entry in map(json.loads, open(folder + "/archive/manifest.jsonl")):
            if entry["event"] != "archived": continue
            opened = gzip.open if entry["file"].endswith(".gz") else open
            lines = opened(folder + "/archive/" + entry["file"], "rb").read().split(b"\\n")[:-1]
            assert len(lines) == entry["lines"] == entry["last_seq"] - entry["first_seq"] + 1
            place = 0
            for receipt in map(json.loads, gzip.open(folder + "/archive/" + entry["receipts"]["file"])):
                assert receipt["seq"] == entry["first_seq"] + place
                for _ in range(receipt["lines"]):
                    print(entry["first_seq"] + place, receipt["received_at"], receipt["connection"], lines[place].decode())
                    place += 1
            assert place == len(lines)
        for path in sorted(glob.glob(folder + "/" + "[0-9]" * 20 + ".jsonl")):
            first, text = int(os.path.basename(path)[:20]), open(path, "rb").read()
            index, end, seq = open(path[:-6] + ".idx", "rb").read(), 0, first
            assert len(index) % 64 == 0
            for at in range(0, len(index), 64):
                entry = index[at:at + 64]
                number, offset, received, connection, durable = struct.unpack_from("<5q", entry)
                length, lines, crc, own = struct.unpack_from("<4I", entry, 40)
                assert own == zlib.crc32(entry[:52]) and entry[56:] == bytes(8)
                group = text[offset:offset + length]
                assert (number, offset) == (seq, end) and durable <= offset and crc == zlib.crc32(group)
                assert group.endswith(b"\\n") and group.count(b"\\n") == lines
                for line in group.split(b"\\n")[:-1]:
                    print(seq, received, connection, line.decode())
                    seq += 1
                end = offset + length
            assert end == len(text)
        """

    @Test func anIndependentReaderUnderstandsEveryByte() throws {
        let folder = try TemporaryFolder()
        var options = JournalOptions()
        options.segmentBytes = 400
        let journal = try Journal.open(folder: folder.path, stream: "s", options: options)
        for number in Int64(1)...60 {
            try journal.append(
                "{\"data\":{\"id\":\"\(number)\"}}", at: 1000 * (number / 4), connection: 7 + number / 30)
            if number % 9 == 0 { try journal.sync() }
        }
        try journal.sync()
        let before = try journal.lines()
        journal.source.tail.publish(acknowledged: 30)
        try Archiver(
            journal.source, options: ArchiveOptions(), stop: Stop(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).archiveAcknowledged()
        let first = try #require(Segment.list(journal.source.folder).first?.firstSeq)
        #expect(first > 10, "a part is archived")
        let (status, output) = try run(journal.source.folder)
        #expect(status == 0, "\(output)")
        let expected = before.map { line in
            let time = line.seq < first ? line.receivedAt.description : "\(line.receivedAt.milliseconds)"
            return "\(line.seq) \(time) \(line.connection) \(line.text)"
        }
        #expect(output.split(separator: "\n").map(String.init) == expected)
    }

    private func run(_ folder: String) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", Self.reader, folder]
        let pipe = Pipe()
        (process.standardOutput, process.standardError) = (pipe, pipe)
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
