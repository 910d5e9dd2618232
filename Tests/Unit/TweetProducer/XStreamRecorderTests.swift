import Logging
import TestSupport
import Testing

@testable import Journal
@testable import TweetProducer
@testable import XAPI

/// What is known of the posts that came, however the network cuts the stream.
@Suite(.timeLimit(.minutes(5))) struct XStreamRecorderTests {
    private static let stream =
        "{\"data\":{\"id\":\"1001\",\"text\":\"a\"}}\r\n\r\n{\"data\":{\"id\":\"1002\"}}\r\n"
        + "{\"errors\":[{\"title\":\"x\"}]}\r\n{\"data\":{\"id\":\"1003\"}}\r\n\r\n{\"data\":{\"id\":\"10"

    let folder: TemporaryFolder
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        folder = try TemporaryFolder()
    }

    private func recorder(_ journal: Journal) throws -> (StreamRecorder, PostCounter) {
        let path = journal.source.folder
        let reading = StreamReading(
            journal: journal, posts: try PostCounter(folder: path),
            watch: PostWatch(folder: path, shortest: nil, logger: logger), gaps: OpenGaps(folder: path),
            facts: StreamFactsKeeper(folder: path) { $0() })
        return (StreamRecorder(reading, connection: 5, lineLimit: 5000, logger: logger), reading.posts)
    }

    /// Bytes that are there only while they are taken, as libcurl's.
    private func take(_ bytes: ArraySlice<UInt8>, with recorder: StreamRecorder) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { unsafe copy.deallocate() }
        unsafe copy.copyBytes(from: bytes)
        #expect(unsafe recorder.take(UnsafeRawBufferPointer(copy)))
        unsafe copy.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "x"))
    }

    @Test func postsAreCountedAndTheLastOneIsKnownWhereverAChunkEnds() throws {
        let bytes = Array(Self.stream.utf8)
        let journal = try Journal.open(folder: folder.path, stream: "s")
        for first in stride(from: 0, through: bytes.count, by: 3) {
            for second in stride(from: first, through: bytes.count, by: 7) {
                let (recorder, counter) = try recorder(journal)
                for chunk in [bytes[..<first], bytes[first..<second], bytes[second...]] {
                    take(chunk, with: recorder)
                }
                #expect(recorder.lastPostID() == "1003", "cut at \(first) and \(second)")
                #expect(recorder.posts == 3 && counter.posts(since: 0) == 3)
                #expect(recorder.takeEnd(cause: "closed", detail: nil).newestID == "1003")
            }
        }
    }

    @Test func beforeTheFirstPostThereIsNone() throws {
        let (recorder, counter) = try recorder(Journal.open(folder: folder.path, stream: "s"))
        take(Array("\r\n{\"errors\":[]}\r\n{\"data\"".utf8)[...], with: recorder)
        #expect(recorder.lastPostID() == nil && recorder.posts == 0 && counter.posts(since: 0) == 0)
    }
}
