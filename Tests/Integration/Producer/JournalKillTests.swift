import Foundation
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import Journal

/// Kills a process that writes, publishes and archives a journal, at seeded random points, many times over.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(60))) struct JournalKillTests {
    /// `make soak` asks for 500.
    static let rounds = Int(ProcessInfo.processInfo.environment["JOURNAL_KILL_ROUNDS"] ?? "") ?? 20
    /// Rounds in one journal; then a new one, because everything is read after each.
    static let roundsPerJournal = 20

    /// What one run of the writer said before it died.
    struct Run {
        let name: String
        let durable: Int
        let wasKilled: Bool
    }

    private static func writer(_ folder: String, run: String, seed: UInt64, failPoint: String?) throws -> Run {
        let process = Process()
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(filePath: own).deletingLastPathComponent().appending(path: "sandbox")
        process.arguments = ["journal-writer", "--folder", folder, "--run", run, "--seed", "\(seed)"]
        process.environment = ProcessInfo.processInfo.environment
        process.environment?["TWEET_FAILPOINT"] = failPoint
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let wasKilled = process.terminationReason == .uncaughtSignal
        #expect(wasKilled ? process.terminationStatus == SIGKILL : process.terminationStatus == 0)
        // A line without its end was not said.
        let said = String(decoding: output, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            .dropLast()
        return Run(name: run, durable: said.last.flatMap { Int($0.dropFirst(8)) } ?? 0, wasKilled: wasKilled)
    }

    /// Every line of the journal and its archive, by number.
    private func lines(_ folder: String) throws -> [Int64: String] {
        var result: [Int64: String] = [:]
        func take(_ text: String, from first: Int64) {
            for (place, line) in text.split(separator: "\n").enumerated() {
                let old = result.updateValue(String(line), forKey: first + Int64(place))
                #expect(old == nil || old == String(line), "number \(first + Int64(place)) has two lines")
            }
        }
        for segment in try ArchivedSegment.list(folder + "/archive") {
            take(try content(folder + "/archive/" + segment.file), from: segment.name.firstSeq)
        }
        let segments = try Segment.list(folder)
        for (place, segment) in segments.enumerated() {
            var reader = try SegmentReader(segment)
            let last = try SegmentIndex(reading: segment).lastWhole(size: JournalFolder.size(segment.path) ?? 0)
            let following = place + 1 < segments.count ? segments[place + 1].firstSeq : nil
            let end = JournalTail.End(
                seq: following ?? last?.endSeq ?? segment.firstSeq, segment: following ?? segment.firstSeq,
                offset: last?.endOffset ?? 0)
            while try reader.read(
                limit: 100, end: end,
                { line in
                    #expect(!line.isDamaged)
                    take(unsafe String(decoding: line.bytes, as: UTF8.self) + "\n", from: line.seq)
                }) > 0
            {}
        }
        return result
    }

    private func content(_ path: String) throws -> String {
        guard path.hasSuffix(".gz") else { return try String(contentsOfFile: path, encoding: .utf8) }
        let file = try GzipReader(path)
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = try unsafe buffer.withUnsafeMutableBytes({ try unsafe file.read(into: $0) }), count > 0 {
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The lines of each run are there from its first to at least its last durable one, once each, and in order.
    private func check(_ folder: String, _ runs: [Run]) throws {
        let lines = try lines(folder)
        let last = lines.keys.max() ?? 0
        #expect(lines.count == Int(last), "numbers have no hole")
        var expected: [String: Int] = [:]
        for seq in stride(from: Int64(1), through: last, by: 1) {
            let line = try #require(lines[seq])
            let parts = line.split(separator: "\"")
            try #require(parts.count == 11, "line \(seq) is not whole")
            let (place, run) = (Int(parts[5]), String(parts[9]))
            let next = expected[run, default: 0] + 1
            #expect(place == next, "run \(run) goes on with \(next) at number \(seq)")
            expected[run] = next
        }
        for run in runs {
            #expect(expected[run.name, default: 0] >= run.durable, "run \(run.name) said \(run.durable) are durable")
        }
        let identity = try JournalIdentity.read(folder: folder, stream: "s")
        let acknowledged = try Checkpoint.read(from: folder, journal: identity.journal)?.acknowledged ?? 0
        #expect(acknowledged <= last, "the checkpoint is ahead of what is durable")
    }

    /// `zcat` of the machine takes every finished file.
    private func zcat(_ folder: String) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/archive").filter {
            $0.hasSuffix(".gz")
        }
        // Without names it reads its standard input.
        try #require(!names.isEmpty)
        let process = Process()
        process.executableURL = URL(filePath: "/bin/zcat")
        process.currentDirectoryURL = URL(filePath: folder + "/archive")
        process.arguments = ["--"] + names
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    /// The faults F32 and F33.
    @Test(arguments: 0..<(rounds + roundsPerJournal - 1) / roundsPerJournal)
    func f32AndF33NothingDurableIsLostWhateverIsKilled(journal number: Int) throws {
        var random = SplitMix64(seed: UInt64(number) + 1)
        let folder = try TemporaryFolder()
        let stream = folder.path + "/s"
        var runs: [Run] = []
        for round in 0..<Self.roundsPerJournal {
            let point = FailPoint.ofJournal.randomElement(using: &random) ?? .append
            let passes = Int.random(in: 1...(point == .compress || point == .delete ? 30 : 60), using: &random)
            runs.append(
                try Self.writer(
                    folder.path, run: "\(round)", seed: random.next(), failPoint: "\(point.rawValue):\(passes)"))
            try check(stream, runs)
        }
        runs.append(try Self.writer(folder.path, run: "last", seed: 1, failPoint: nil))
        #expect(runs.last?.durable == 200)
        try check(stream, runs)
        try zcat(stream)
        let result = try JournalVerification(folder: folder.path, stream: "s")
        #expect(result.problems == [])
        #expect(runs.count { $0.wasKilled } > Self.roundsPerJournal / 5, "too few runs are killed: this tests nothing")
    }
}
