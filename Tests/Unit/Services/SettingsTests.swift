import Foundation
import TestSupport
import Testing

@testable import Core
@testable import Journal
@testable import KafkaClient
@testable import LogShipping
@testable import ObjectStore
@testable import Postgres
@testable import TweetLoader
@testable import TweetProducer
@testable import TweetTimelines
@testable import XAPI

/// Every setting of both services: declared once, read from three places, documented, completed and shown.
@Suite(.timeLimit(.minutes(5))) struct SettingsTests {
    private static let all = Dictionary(
        (ProducerSettings.known + LoaderSettings.known).map { ($0.environment, $0) }, uniquingKeysWith: { $1 }
    ).values.sorted { $0.environment < $1.environment }
    private static let names = all.map(\.environment)

    private func setting(_ name: String) throws -> Setting {
        try #require(Self.all.first { $0.environment == name })
    }

    /// A value that differs from the default and fits the kind.
    private static func example(_ setting: Setting) -> String {
        switch setting.kind {
        case .count(let range): "\(min(range.upperBound, 7))"
        case .number(let range): "\(range.upperBound)"
        case .duration: "77s"
        case .bytes: "7MiB"
        case .choice(let words): words.last ?? ""
        default: "example"
        }
    }

    @Test func noNameIsDeclaredTwice() throws {
        for groups in [ProducerSettings.groups, LoaderSettings.groups, TimelinesService.groups] {
            let names = groups.flatMap { $0.settings }.map(\.environment)
            #expect(Set(names).count == names.count)
            let flags = groups.flatMap { $0.settings }.compactMap(\.flag)
            #expect(Set(flags).count == flags.count)
        }
        let files = try #require(
            FileManager.default.enumerator(at: repository.appending(path: "Sources"), includingPropertiesForKeys: nil))
        var counts: [String: Int] = [:]
        for case let file as URL in files where file.pathExtension == "swift" {
            // The sandbox is a user of the services and writes the names as one.
            if file.path.contains("/Sources/Sandbox/") { continue }
            let text = try String(contentsOf: file, encoding: .utf8)
            for quoted in text.utf8.split(separator: UInt8(ascii: "\"")) {
                counts[String(quoted) ?? "", default: 0] += 1
            }
        }
        for name in Self.names { #expect(counts[name] == 1, "\(name) stands \(counts[name] ?? 0) times in Sources") }
    }

    @Test(arguments: names)
    func aFlagPrecedesTheEnvironmentAndThatTheFile(name: String) throws {
        let (setting, folder) = (try setting(name), try TemporaryFolder())
        guard setting.isInFile else { return }
        let value = Self.example(setting)
        try folder.write("\n\(setting.fileKey): '\(value)'\n", to: "f.yaml")
        let path = folder.path + "/f.yaml"
        func reader(flag: String? = nil, environment: String? = nil, path: String? = path) throws -> SettingsReader {
            try SettingsReader(
                flags: flag.map { [name: $0] } ?? [:], configFile: path, known: Self.all,
                environment: environment.map { [name: $0] } ?? [:])
        }
        let fromFile = try reader()
        #expect(fromFile.string(setting) == value && fromFile.source(setting) == "\(path):2")
        let fromEnvironment = try reader(environment: "e")
        #expect(fromEnvironment.string(setting) == "e" && fromEnvironment.source(setting) == "environment")
        let fromFlag = try reader(flag: "f", environment: "e")
        #expect(fromFlag.string(setting) == "f")
        if let flag = setting.flag { #expect(fromFlag.source(setting) == "--\(flag)") }
        let nowhere = try reader(path: nil)
        #expect(nowhere.string(setting) == nil)
        #expect(nowhere.source(setting) == (setting.defaultText == nil ? "-" : "default"))
    }

    @Test(arguments: names)
    func aWrongValueIsNamedWithItsOriginAndWhatIsRight(name: String) throws {
        let setting = try setting(name)
        // The settings file itself is opened by the reader.
        guard name != CommonSettings.config.environment else { return }
        var reader = try SettingsReader(flags: [:], known: Self.all, environment: [name: "~wrong~"])
        switch setting.kind {
        case .count: _ = reader.int(setting)
        case .number: _ = reader.number(setting)
        case .duration: _ = reader.duration(setting)
        case .bytes: _ = reader.bytes(setting)
        case .choice(let words): _ = reader.value(setting) { words.contains($0) ? $0 : nil }
        default: return
        }
        let mistake = try #require(reader.mistakes.first)
        #expect(mistake.hasPrefix("environment \(name): '~wrong~' is not "))
        #expect(mistake.hasSuffix(setting.kind.expectation("~wrong~")))
    }

    @Test(arguments: names)
    func theDefaultIsOfItsKind(name: String) throws {
        let setting = try setting(name)
        guard let text = setting.defaultText else { return }
        let isRight: Bool =
            switch setting.kind {
            case .count(let range): Int(text).map(range.contains) ?? false
            case .number(let range): Double(text).map(range.contains) ?? false
            case .duration: Duration(setting: text) != nil
            case .bytes: parseByteCount(text) != nil
            case .choice(let words): words.contains(text)
            default: true
            }
        #expect(isRight, "\(text)")
    }

    @Test func defaultsAreThoseOfTheTypes() throws {
        var reader = try SettingsReader(
            flags: [:], known: Self.all, environment: ["X_BEARER_TOKEN": "t", "DATABASE_URL": "host=h"])
        let producer = ProducerSettings(&reader)
        let loader = try LoaderSettings(&reader)
        try reader.finish()
        let (journal, usual) = (producer.journal, JournalOptions())
        #expect(journal.syncDelay == usual.syncDelay && journal.syncBytes == usual.syncBytes)
        #expect(journal.segmentBytes == usual.segmentBytes && journal.segmentAge == usual.segmentAge)
        #expect(journal.reserve == usual.reserve && journal.quota == nil)
        let (archive, usualArchive) = (producer.archive, ArchiveOptions())
        #expect(archive.isCompressed == usualArchive.isCompressed && archive.keep == usualArchive.keep)
        #expect(archive.whenFull == usualArchive.whenFull)
        let (stream, usualStream) = (producer.stream, StreamSettings(x: producer.stream.x))
        #expect(stream.stream == usualStream.stream && stream.stallTimeout == usualStream.stallTimeout)
        #expect(stream.lineLimit == usualStream.lineLimit && stream.connectBudget == usualStream.connectBudget)
        #expect(stream.quietAfter == usualStream.quietAfter && stream.lockFolder == usualStream.lockFolder)
        #expect(stream.repair.delay == RepairSettings().delay && stream.posts == PostLimits())
        #expect(stream.x.connectTimeout == .seconds(10) && PostPrice.read(&reader) == .listPrice)
        let watch = RuleWatchSettings(x: stream.x)
        #expect(producer.rules.interval == watch.interval && producer.rules.silence == watch.silence)
        let limits = BatchLimits()
        #expect(loader.limits.rows == limits.rows && loader.limits.bytes == limits.bytes)
        #expect(loader.limits.fixedAge == nil && loader.payload == .jsonb && loader.onHole == .stop)
        #expect(loader.group == "tweet-loader" && loader.drain == .seconds(30))
    }

    @Test func theDocumentIsThatOfTheDeclarations() throws {
        let file = repository.appending(path: "docs/settings.md")
        let shared: [any SettingGroup.Type] = [KafkaSettings.self, LogHTTPSettings.self, CommonSettings.self]
        func isShared(_ group: any SettingGroup.Type) -> Bool { shared.contains { $0 == group } }
        func tables(_ groups: [any SettingGroup.Type]) -> String {
            groups.map { SettingsDocument.table($0) }.joined(separator: "\n\n")
        }
        let wanted = [
            "## Both services", tables(shared), "## tweet-producer",
            tables(ProducerSettings.groups.filter { !isShared($0) }),
            "## tweet-loader", tables(LoaderSettings.groups.filter { !isShared($0) }),
            "## tweet-timelines",
            tables(TimelinesService.groups.filter { !isShared($0) && $0 != DatabaseSettings.self }),
        ].joined(separator: "\n\n")
        let text = try String(contentsOf: file, encoding: .utf8)
        let mark = "<!-- Made from the declarations: make settings-doc -->"
        let head = try #require(text.firstRange(of: mark), "\(mark) is missing in docs/settings.md")
        let expected = text[..<head.upperBound] + "\n\n" + wanted + "\n"
        if ProcessInfo.processInfo.environment["WRITE_SETTINGS_DOC"] != nil {
            try String(expected).write(to: file, atomically: true, encoding: .utf8)
        } else {
            #expect(text == expected, "run `make settings-doc`; below the mark the file must be:\n\n\(wanted)")
        }
    }
}
