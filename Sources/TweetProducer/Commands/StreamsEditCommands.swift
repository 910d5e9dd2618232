import ArgumentParser
import Core
import XAPI

/// Changes the file that declares the streams, and applies it.
private func change(
    _ options: StreamsCommand.Options, _ output: OutputOptions, stream: String, yes: Bool, createsFile: Bool = false,
    _ edit: (inout StreamsFileEdit) throws -> StreamsFile
) throws {
    let settings = try options.read()
    guard StreamName.isValid(stream) else { throw Failure(.usage, "'\(stream)' is not \(StreamName.rule)") }
    let fleet = try Fleet(settings)
    let lock = try fleet.application.files.lock()
    let old = try currentFile(settings.file, createsFile: createsFile)
    var edits = StreamsFileEdit(old)
    let file = try edit(&edits)
    try file.requireGood()
    try StreamsChange(fleet: fleet, output: output).run(file, replacing: old) { plan in
        // What the command names needs no question.
        let others = plan.changes.filter { $0.stream != stream }
        return try others.isEmpty || yes || confirm("Change these streams?")
    }
    _ = consume lock
}

private func currentFile(_ path: String, createsFile: Bool) throws -> StreamsFile {
    let absolute = FilePath.absolute(path)
    if createsFile, try FilePath.status(absolute) == nil { return StreamsFile(path: absolute, text: "") }
    return try StreamsFile.read(path)
}

extension StreamsCommand {
    /// The flags of every subcommand that changes the file.
    struct EditOptions: ParsableArguments {
        @Argument(help: ArgumentHelp("Name of the stream.", valueName: "name"))
        var stream: String

        @Flag(help: "Make pending changes of other streams, too, without confirmation.")
        var yes = false

        @OptionGroup var options: Options
        @OptionGroup var output: OutputOptions
    }

    struct Activate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a stream of the file that is not active.",
            discussion: """
                Writes `active: true` into the file, and applies it.

                Example:
                  tweet-producer streams activate fintwit
                """)

        @OptionGroup var edit: EditOptions

        func run() throws {
            try runCommand {
                try change(edit.options, edit.output, stream: edit.stream, yes: edit.yes) {
                    try $0.set(edit.stream, active: true)
                }
            }
        }
    }

    struct Deactivate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a stream, and keep it in the file.",
            discussion: """
                Writes `active: false` into the file, and applies it. The journal stays, and so do the rules at X, which X \
                deletes after 180 days without a connection.

                Example:
                  tweet-producer streams deactivate fintwit
                """)

        @OptionGroup var edit: EditOptions

        func run() throws {
            try runCommand {
                try change(edit.options, edit.output, stream: edit.stream, yes: edit.yes) {
                    try $0.set(edit.stream, active: false)
                }
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop a stream, and remove it from the file.",
            discussion: """
                Comments in the file stay, and so does the journal, whose folder is shown. To delete the rules at X, run \
                `rules apply` with an empty file first.

                Example:
                  tweet-producer streams remove fintwit
                """)

        @OptionGroup var edit: EditOptions

        func run() throws {
            try runCommand {
                try change(edit.options, edit.output, stream: edit.stream, yes: edit.yes) { try $0.remove(edit.stream) }
            }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a stream to the file, and run it.",
            discussion: """
                Relative paths begin at the folder of the file. The file is created when it does not exist.

                Example:
                  tweet-producer streams add photos --token-file tokens/photos --rules-file rules/photos.yaml \\
                    --set journal_segment_age=15m
                """)

        @OptionGroup var edit: EditOptions

        @Option(
            help: "Which of X's streams: filtered, sample or sample10.",
            completion: .list(StreamKind.allCases.map(\.rawValue)))
        var kind = "filtered"

        @Option(help: ArgumentHelp("Part of sample10: 1 or 2.", valueName: "n"), completion: .list(["1", "2"]))
        var partition: Int?

        @Option(help: "File with the bearer token of an app that no other active stream uses.", completion: .file())
        var tokenFile: String

        @Option(help: "Rules file of a filtered stream.", completion: .file())
        var rulesFile: String?

        @Option(name: .customLong("set"), help: ArgumentHelp("Setting of `run`; repeatable.", valueName: "name=value"))
        var settings: [String] = []

        @Flag(help: "Add it without running it.")
        var inactive = false

        func run() throws {
            try runCommand {
                let pairs = try settings.map(pair)
                try change(edit.options, edit.output, stream: edit.stream, yes: edit.yes, createsFile: true) {
                    try $0.add(edit.stream, keys: keys, settings: pairs)
                }
            }
        }

        private var keys: [(String, String)] {
            var keys = kind == "filtered" ? [] : [("kind", writtenYAML(kind))]
            if let partition { keys.append(("partition", "\(partition)")) }
            keys.append(("token_file", writtenYAML(tokenFile)))
            if let rulesFile { keys.append(("rules_file", writtenYAML(rulesFile))) }
            if inactive { keys.append(("active", "false")) }
            return keys
        }

        private func pair(_ text: String) throws(Failure) -> (String, String) {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw Failure(
                    .usage, "--set \(Redaction.clean(text)): expected name=value, as in journal_segment_age=15m")
            }
            return (String(text[..<equals]).lowercased(), String(text[text.index(after: equals)...]))
        }
    }
}
