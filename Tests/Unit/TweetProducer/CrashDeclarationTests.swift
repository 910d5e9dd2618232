import Core
import Journal
import Logging
import TestSupport
import Testing
import TweetFormat

@testable import TweetProducer

/// What the next start says of a connection that a crash has ended.
@Suite(.timeLimit(.minutes(5))) struct CrashDeclarationTests {
    @Test(arguments: [false, true])
    func theGapBeginsWithTheNewestPostAlsoRightAfterARoll(hasRolled: Bool) throws {
        let folder = try TemporaryFolder()
        try leave(try Journal.open(folder: folder.path, stream: "s"), hasRolled: hasRolled)
        let journal = try Journal.open(folder: folder.path, stream: "s")
        try journal.declareCrash(Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let gap = try #require(OpenGaps(folder: journal.source.folder).gaps.first)
        #expect(gap.newestID == "1003" && gap.cause == "crash" && gap.connection == 7)
    }

    @Test(
        "a heartbeat behind the last line says when X last sent something, and is no line of X itself",
        arguments: [false, true])
    func aHeartbeatMovesNoGap(hasRolled: Bool) throws {
        let folder = try TemporaryFolder()
        let received = Timestamp(milliseconds: 1_700_000_000_000)
        do {
            let journal = try Journal.open(folder: folder.path, stream: "s")
            try leave(journal, hasRolled: false)
            var event = PipelineEvent(.alive)
            event.lastReceivedAt = received.description
            try journal.append(JournalChunk(events: [event]))
            try journal.sync()
            if hasRolled {
                journal.source.tail.requestRoll()
                try journal.sync()
            }
        }
        let journal = try Journal.open(folder: folder.path, stream: "s")
        try journal.declareCrash(Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let gap = try #require(OpenGaps(folder: journal.source.folder).gaps.first)
        #expect(gap.start == received && gap.connection == 7 && gap.newestID == "1003")
    }

    @Test(
        "f35: lines of a first connection that is not durable are in a gap, whatever follows the start",
        arguments: [PipelineEvent.Kind.started, .connectFailed, .alive, .rules, .rulesDiffer, .rulesSilent, .rejected])
    func theFirstConnectionIsDeclared(last: PipelineEvent.Kind) throws {
        let folder = try TemporaryFolder()
        let began = Timestamp(milliseconds: 1_700_000_000_000)
        do {
            let journal = try Journal.open(folder: folder.path, stream: "s")
            try journal.append(PipelineEvent(.started, at: began))
            if last != .started { try journal.append(PipelineEvent(last)) }
            try journal.sync()
        }
        let journal = try Journal.open(folder: folder.path, stream: "s")
        try journal.declareCrash(Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let gap = try #require(OpenGaps(folder: journal.source.folder).gaps.first)
        #expect(gap.start == began && gap.cause == "crash")
    }

    static let endings: [PipelineEvent.Kind] = [.stopped, .passive]

    @Test("a run that ended in due form, or never read, leaves no gap", arguments: endings)
    func anEndInDueFormIsNoCrash(last: PipelineEvent.Kind) throws {
        let folder = try TemporaryFolder()
        do {
            let journal = try Journal.open(folder: folder.path, stream: "s")
            for kind in [PipelineEvent.Kind.started, .rules, last] { try journal.append(PipelineEvent(kind)) }
            try journal.sync()
        }
        let journal = try Journal.open(folder: folder.path, stream: "s")
        try journal.declareCrash(Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        #expect(OpenGaps(folder: journal.source.folder).gaps.isEmpty)
    }

    /// As a process leaves it that dies.
    private func leave(_ journal: Journal, hasRolled: Bool) throws {
        try journal.append(PipelineEvent(.connected, connection: 7), connection: 7)
        for id in [1001, 1003, 1002] {
            try unsafe Array("{\"data\":{\"id\":\"\(id)\"}}".utf8).withBytes { (bytes) throws(FileError) in
                try unsafe journal.append(bytes, receivedAt: .now(), connection: 7)
            }
        }
        try journal.sync()
        guard hasRolled else { return }
        journal.source.tail.requestRoll()
        try journal.sync()
    }
}
