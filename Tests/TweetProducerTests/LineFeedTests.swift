import Core
import Glibc
import Journal
import Logging
import TestSupport
import Testing

@testable import TweetProducer

/// What reads the journal ahead of the publisher.
@Suite struct LineFeedTests {
    let folder: TemporaryFolder
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryFolder()
    }

    private func journal(_ lines: Int, bytes: Int) throws -> Journal {
        let journal = try Journal.open(folder: folder.path, stream: "s")
        let text = String(repeating: "x", count: bytes)
        for number in 1...lines {
            let line = number % 5 == 0 ? #"{"errors":[]}"# : #"{"data":{"id":"\#(number)","text":"\#(text)"}}"#
            try unsafe Array(line.utf8).withBytes { (line) throws(FileError) in
                try unsafe journal.append(line, receivedAt: Timestamp(milliseconds: Int64(number)), connection: 5)
            }
        }
        try journal.sync()
        return journal
    }

    private func reading<Value>(_ source: JournalSource, _ body: (LineFeed) throws -> Value) throws -> Value {
        let feed = LineFeed(source, batchSize: 100, batchLinger: .milliseconds(10), matches: nil, logger: logger)
        let thread = JoinableThread(name: "feed") { feed.read() }
        let result = Result { try body(feed) }
        feed.end()
        thread.join()
        return try result.get()
    }

    /// Takes lines up to a number, and checks that none is left out and each has its key.
    private func take(_ seqs: ClosedRange<Int64>, from feed: LineFeed) throws {
        var next = seqs.lowerBound
        while next <= seqs.upperBound {
            let batch = try #require(try feed.next(within: .seconds(30)))
            #expect(batch.skipped.isEmpty && !batch.lines.isEmpty && batch.lines.count <= 100)
            for line in batch.lines {
                #expect(line.line.seq == next && line.key == (next % 5 == 0 ? nil : next))
                next += 1
            }
        }
    }

    @Test func linesComeInOrderWithTheirKeysAndAgainFromWhereTheyAreWanted() throws {
        let journal = try journal(5000, bytes: 1000)
        try reading(journal.source) { feed in
            feed.begin(at: 1)
            try take(1...2000, from: feed)
            // What was read ahead is forgotten.
            feed.begin(at: 1234)
            try take(1234...5000, from: feed)
            #expect(try feed.next(within: .milliseconds(50)) == nil)
            journal.source.tail.close()
            feed.begin(at: 4999)
            try take(4999...5000, from: feed)
        }
    }

    @Test func longLinesComeFewAtATime() throws {
        let journal = try journal(40, bytes: 1 << 20)
        try reading(journal.source) { feed in
            feed.begin(at: 1)
            var count = 0
            while count < 40 {
                let batch = try #require(try feed.next(within: .seconds(30)))
                #expect(batch.lines.count <= 4, "2 MiB and a line, of which each fifth is short")
                count += batch.lines.count
            }
        }
    }

    @Test func aLineThatIsNotThereEndsThePublisher() throws {
        let journal = try journal(10, bytes: 10)
        for file in ["00000000000000000001.jsonl", "00000000000000000001.idx"] {
            #expect(unsafe unlink("\(journal.source.folder)/\(file)") == 0)
        }
        try reading(journal.source) { feed in
            feed.begin(at: 1)
            let failure = #expect(throws: JournalError.self) { try feed.next(within: .seconds(30)) }
            #expect(failure?.disposition == .operator(.disk))
        }
    }
}
