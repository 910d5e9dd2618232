import Core
import Journal
import TestSupport
import Testing
import TweetFormat

@testable import TweetProducer

/// What a process journals of what `streams apply` did to its stream.
@Suite(.timeLimit(.minutes(5))) struct AppliedSettingsTests {
    private let folder: TemporaryFolder
    private let journal: Journal

    init() throws {
        folder = try TemporaryFolder()
        journal = try Journal.open(folder: folder.path, stream: "s")
    }

    /// The settings file of a process, as `apply` writes it.
    private func settings(_ settings: String) throws -> (AppliedSettings, hash: String) {
        let text = "streams: [{ name: s, settings: { \(settings) } }]"
        let file = StreamSettingsFile(StreamsFile(path: "/s.yaml", text: text).streams[0], from: "/s.yaml")
        try folder.write(file.text, to: "s.yaml")
        return (try #require(AppliedSettings(path: folder.path + "/s.yaml")), file.hash)
    }

    private func events() throws -> [PipelineEvent] {
        try journal.lines(from: 1).compactMap { PipelineEvent(line: Array($0.text.utf8)) }
    }

    @Test func startsChangesAndEndsAreJournalledOnceEach() throws {
        let (first, old) = try settings("kafka_topic: a, x_bearer_token: secret-1")
        try first.recordStart(in: journal)
        try first.recordStart(in: journal)
        try first.recordEnd(in: journal)
        let (second, new) = try settings("kafka_topic: b, drain: 9s, x_bearer_token: secret-2")
        try second.recordStart(in: journal)
        try folder.write("stopped\n", to: "s.stop")
        try second.recordEnd(in: journal)
        try second.recordStart(in: journal)
        try folder.write("removed\n", to: "s.stop")
        try second.recordEnd(in: journal)
        let events = try events()
        #expect(events.allSatisfy { $0.type == .applied })
        #expect(events.map(\.cause) == ["started", "changed", "stopped", "started", "removed"])
        #expect(events.map(\.settingsBefore) == [nil, old, new, nil, new])
        #expect(events.map(\.settingsAfter) == [old, new, nil, new, nil])
        #expect(events.map(\.detail) == [nil, "drain, kafka_topic", nil, nil, nil])
        #expect(try journal.lines(from: 1).allSatisfy { !$0.text.contains("secret") })
    }

    /// A digest of a weak secret would betray it.
    @Test func secretsAreNotInTheStateFile() throws {
        let (settings, _) = try settings("x_bearer_token: secret-1, kafka_topic: a")
        try settings.recordStart(in: journal)
        let text = try readTextFile(folder.path + "/s/applied.json")
        #expect(text.contains("kafka_topic") && !text.contains("x_bearer_token"))
    }

    @Test func otherSettingsFilesAndNotesCountForNothing() throws {
        try folder.write("kafka_topic: a\n", to: "own.yaml")
        #expect(AppliedSettings(path: folder.path + "/own.yaml") == nil)
        #expect(AppliedSettings(path: nil) == nil && AppliedSettings(path: "/nowhere.yaml") == nil)
        let (settings, _) = try settings("kafka_topic: a")
        try folder.write("whatever\n", to: "s.stop")
        try settings.recordEnd(in: journal)
        #expect(try events().isEmpty)
    }
}

/// What `streams apply` journals itself: the end of a stream whose process has not.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct AppliedEndTests {
    private let folder: TemporaryFolder
    private let settings: AppliedSettings

    init() throws {
        folder = try TemporaryFolder()
        let text = "streams: [{ name: s, settings: { journal_dir: '\(folder.path)' } }]"
        let file = StreamSettingsFile(StreamsFile(path: "/s.yaml", text: text).streams[0], from: "/s.yaml")
        try folder.write(file.text, to: "s.yaml")
        settings = try #require(AppliedSettings(path: folder.path + "/s.yaml"))
    }

    private func journal() throws -> Journal { try Journal.open(folder: folder.path, stream: "s") }

    private func causes(in journal: Journal) throws -> [String?] {
        try journal.lines(from: 1).compactMap { PipelineEvent(line: Array($0.text.utf8)) }
            .filter { $0.type == .applied }.map(\.cause)
    }

    @Test func anEndWithoutAProcessIsJournalledOnce() throws {
        try settings.recordStart(in: journal())
        try settings.recordEnd(as: .removed)
        try settings.recordEnd(as: .removed)
        #expect(try causes(in: journal()) == ["started", "removed"])
        #expect(try readJournalFolder().contains("applied.json") == false)
    }

    @Test func anEndThatTheProcessHasJournalledIsNotRepeated() throws {
        do {
            let journal = try journal()
            try settings.recordStart(in: journal)
            try folder.write("stopped\n", to: "s.stop")
            try settings.recordEnd(in: journal)
        }
        try settings.recordEnd(as: .stopped)
        #expect(try causes(in: journal()) == ["started", "stopped"])
    }

    @Test func aStreamThatNeverStartedGetsNoJournal() throws {
        try settings.recordEnd(as: .stopped)
        #expect(try JournalFolder.names(folder.path) == ["s.yaml"])
    }

    /// Without a supervisor nobody has stopped it.
    @Test func aProcessThatIsStillAtWorkIsAsked() throws {
        let journal = try journal()
        try settings.recordStart(in: journal)
        let apply = JoinableThread(name: "apply") { [settings] in
            #expect(throws: Never.self) { try settings.recordEnd(as: .removed) }
        }
        let path = folder.path + "/s"
        let isAsked = eventually { EventRequest.waiting(in: path)?.events.map(\.cause) == ["removed"] }
        EventRequest([]).finish(in: path)
        apply.join()
        #expect(isAsked)
        #expect(try causes(in: journal) == ["started"])
        #expect(try readJournalFolder().contains("applied.json") == false)
    }

    private func readJournalFolder() throws -> [String] { try JournalFolder.names(folder.path + "/s") }
}
