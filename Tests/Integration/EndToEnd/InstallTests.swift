import Core
import Foundation
import Glibc
import Sandbox
import TestSupport
import Testing

@testable import TweetLoader
@testable import TweetProducer
@testable import TweetTimelines

/// What `make install` and the Debian package put where: nothing is forgotten, and shells and man read it.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct InstallTests {
    private static let programs = ["tweet-producer", "tweet-loader", "tweet-timelines"]
    private let folder: TemporaryFolder

    /// Installs programs that call those of this build, which are large.
    init() throws {
        folder = try TemporaryFolder()
        for program in Self.programs + ["sandbox"] {
            let file = "programs/\(program)"
            try write("#!/bin/sh\nexec '\(try siblingExecutable(program))' \"$@\"\n", to: file)
            unsafe chmod(folder.path + "/" + file, 0o755)
        }
    }

    private func write(_ text: String, to file: String) throws {
        let path = URL(filePath: folder.path + "/" + file).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try folder.write(text, to: file)
    }

    private func install() throws {
        let command = ChildCommand(
            "/usr/bin/env",
            [
                "PREFIX=/usr", "DESTDIR=\(folder.path)/root", repository.path + "/scripts/install.sh",
                folder.path + "/programs",
            ])
        let (exit, output) = try ChildProcess.run(command)
        try #require(exit == .status(0), "\(output)")
    }

    private func installed(_ path: String) throws -> String { try readTextFile("\(folder.path)/root\(path)") }

    private func names(_ path: String) throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: path))
    }

    private func run(_ program: String, _ arguments: String...) throws -> String {
        let (exit, output) = try ChildProcess.run(ChildCommand(program, arguments))
        #expect(exit == .status(0), "\(program) \(arguments): \(output)")
        return output
    }

    // MARK: What is where

    @Test func everyFileOfDeployAndDocsIsInstalled() throws {
        try install()
        let (deploy, root) = (repository.path + "/deploy", folder.path + "/root")
        #expect(try names(root + "/usr/lib/systemd/system") == names(deploy + "/systemd"))
        for unit in try names(deploy + "/systemd") {
            let text = try installed("/usr/lib/systemd/system/\(unit)")
            #expect(text.hasPrefix("[Unit]\n") && !text.contains("/usr/local"), "\(unit)")
        }
        #expect(
            try names(root + "/etc/tweet-pipeline") == names(deploy).filter { $0.hasSuffix(".env") })
        let documents = root + "/usr/share/doc/tweet-pipeline"
        #expect(try names(documents).isSuperset(of: names(repository.path + "/docs")))
        #expect(try names(documents + "/examples/kafka") == names(repository.path + "/kafka"))
        let readme = try installed("/usr/share/doc/tweet-pipeline/README.md")
        let linked = readme.matches(of: #/\]\((?:docs/)?([a-z]+\.md|pictures/[^)]+)/#).map { String($0.1) }
        #expect(linked.count > 15 && !readme.contains("](docs/"))
        for file in linked { #expect(FileManager.default.fileExists(atPath: documents + "/" + file), "\(file)") }
        let examples = try names(deploy).subtracting(["systemd", "debian"]).filter { !$0.hasSuffix(".env") }
        for example in examples {
            #expect(try names(documents + "/examples/" + example) == names(deploy + "/" + example))
        }
    }

    @Test func settingsThatExistStay() throws {
        try write("KAFKA_TOPIC=mine\n", to: "root/etc/tweet-pipeline/loader.env")
        try install()
        #expect(try installed("/etc/tweet-pipeline/loader.env") == "KAFKA_TOPIC=mine\n")
        let mode = try FileManager.default.attributesOfItem(
            atPath: folder.path + "/root/etc/tweet-pipeline/producer.env")[.posixPermissions]
        #expect(mode as? Int == 0o640)
    }

    /// The scripts of the package stop, restart and forget units by name.
    @Test func thePackageKnowsEveryUnit() throws {
        let debian = repository.path + "/deploy/debian/"
        let (remove, purge) = (try readTextFile(debian + "prerm"), try readTextFile(debian + "postrm"))
        for unit in try names(repository.path + "/deploy/systemd") {
            #expect(purge.contains(unit.replacing("@.", with: "@*.")), "\(unit) stays enabled after a purge")
            let service = unit.prefix { $0 != "@" && $0 != "." }
            if unit.hasSuffix(".service") {
                #expect(remove.contains("\(service).service") || remove.contains("\(service)*.service"), "\(unit)")
            }
        }
    }

    // MARK: Manual pages

    @Test func everyCommandAndEverySettingHasAPage() throws {
        try install()
        let manuals = folder.path + "/root/usr/share/man"
        let commands = [
            TweetProducerCommand.configuration, TweetLoaderCommand.configuration, TweetTimelinesCommand.configuration,
        ]
        for (program, configuration) in zip(Self.programs, commands) {
            let subcommands = configuration.subcommands.map { "\(program)-\($0._commandName).1" }
            #expect(try names(manuals + "/man1").isSuperset(of: subcommands + ["\(program).1"]))
        }
        let settings = try installed("/usr/share/man/man5/tweet-pipeline.yaml.5")
        let known = ProducerSettings.known + LoaderSettings.known + TimelinesService.known
        for setting in known where !setting.isFlagOnly {
            #expect(settings.contains("\n.B \(setting.environment)"), "\(setting.environment)")
        }
        let pages = try names(manuals + "/man1").map { "\(manuals)/man1/\($0)" }
        let (_, findings) = try ChildProcess.run(
            ChildCommand("/usr/bin/mandoc", ["-Tlint", manuals + "/man5/tweet-pipeline.yaml.5"] + pages.sorted()))
        #expect(findings == "")
        let rules = try run("/usr/bin/mandoc", "-Tascii", manuals + "/man1/tweet-producer-rules.1")
        #expect(rules.contains("tweet-producer rules plan"), "\(rules.prefix(2_000))")
    }

    // MARK: Completions

    /// What bash offers for the last word of a command line.
    private func offered(_ words: String...) throws -> Set<String> {
        let script = """
            . "$1"; shift
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
            "_$1" "$1" "${!#}" "${@:$#-1:1}"; printf '%s\\n' "${COMPREPLY[@]}"
            """
        let file = "\(folder.path)/root/usr/share/bash-completion/completions/\(words[0])"
        let (exit, output) = try ChildProcess.run(
            ChildCommand("/bin/bash", ["--norc", "-O", "extglob", "-c", script, "bash", file] + words))
        #expect(exit == .status(0), "\(output)")
        return Set(output.split(separator: "\n").map { $0.trimmed })
    }

    @Test func bashCompletesCommandsValuesAndFiles() throws {
        try install()
        let file = folder.path + "/settings.yaml"
        try folder.write("", to: "settings.yaml")
        #expect(try offered("tweet-loader", "ver") == ["verify"])
        #expect(try offered("tweet-loader", "run", "--log-format", "t") == ["text"])
        #expect(try offered("tweet-loader", "run", "--config", folder.path + "/sett") == [file])
        #expect(try offered("tweet-loader", "rejects", "list", "--reason", "not_") == ["not_json", "not_a_tweet"])
        #expect(try offered("tweet-loader", "doctor", "--env-file", folder.path + "/sett") == [file])
        #expect(try offered("tweet-producer", "rules", "plan", folder.path + "/sett") == [file])
        #expect(try offered("tweet-producer", "streams", "add", "--kind", "sample1") == ["sample10"])
        #expect(
            try offered("tweet-timelines", "run", "--log-level", "") == ["trace", "debug", "info", "warning", "error"])
    }

    /// A list of values or a kind of file for everything that has one, so that shells can complete it.
    @Test func everyFileAndFolderIsCompleted() throws {
        for program in Self.programs {
            let dump = try run(try siblingExecutable(program), "--experimental-dump-help")
            let object = try JSONSerialization.jsonObject(with: Data(dump.utf8)) as? [String: Any]
            let command = try #require(object?["command"] as? [String: Any])
            #expect(withoutCompletion(command, path: program) == [])
        }
    }

    private func withoutCompletion(_ command: [String: Any], path: String) -> [String] {
        let arguments = command["arguments"] as? [[String: Any]] ?? []
        let own = arguments.filter {
            ["file", "folder", "source"].contains($0["valueName"] as? String) && $0["completionKind"] == nil
        }
        let below = command["subcommands"] as? [[String: Any]] ?? []
        return own.map { "\(path): \($0["abstract"] ?? "")" }
            + below.flatMap { withoutCompletion($0, path: "\(path) \($0["commandName"] ?? "")") }
    }
}
