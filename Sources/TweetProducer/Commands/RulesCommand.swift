import ArgumentParser
import Core
import Journal
import XAPI

struct RulesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules",
        abstract: "List and change the rules of X's filtered stream.",
        discussion: """
            The rules select the posts that X sends. They belong to the app of the bearer token, not to a process: X \
            applies a change to a running connection within about 20 seconds, and a `tweet-producer run` that \
            waits because there are no rules connects by itself.

            Sample streams (X_STREAM) have no rules.

            Keep them in a file, and apply it:
              tweet-producer rules export > rules.yaml
              tweet-producer rules plan rules.yaml --estimate
              tweet-producer rules apply rules.yaml

            Or change them one by one:
              tweet-producer rules add 'cat has:images -is:retweet lang:en' --tag cats
              tweet-producer rules list
              tweet-producer rules list --json | jq -r '.rules[].value'
              tweet-producer rules delete 1273026480692322304
              tweet-producer rules delete --value 'cat has:images -is:retweet lang:en'

            Exit status: 0 done, 65 X rejected a rule, 69 X is unreachable, 75 too many requests, \
            77 credentials rejected, 78 invalid settings.
            """,
        subcommands: [
            Plan.self, Apply.self, Export.self, Validate.self, List.self, Add.self, Delete.self,
        ])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List all rules of the app.")

        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>

        @OptionGroup var output: OutputOptions

        func run() throws {
            try runCommand {
                output.show(RuleList(try connectToRules(common, x).rules.list()))
            }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add rules.",
            discussion: """
                Quote each rule for the shell; put a rule that begins with a minus sign after `--`. X adds all rules of \
                a request, or none and names the invalid ones; it rejects a value that it already holds.

                Examples:
                  tweet-producer rules add 'from:nasa' 'from:esa' --tag space
                  tweet-producer rules add --dry-run '(cat OR dog) has:media'
                  tweet-producer rules add --tag cats -- '-is:retweet cat'
                """)

        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>

        @Argument(help: ArgumentHelp("Rule that posts must match.", valueName: "rule"))
        var values: [String]

        @Option(help: "Tag that X sends with every post that these rules match.")
        var tag: String?

        @Flag(help: "Validate the rules at X, and add none.")
        var dryRun = false

        func run() throws {
            try runCommand {
                let rules = values.map { NewRule(value: $0, tag: tag) }
                let (x, journal) = try connectToRules(common, x)
                let taken = try x.add(rules, isDryRun: dryRun)
                if !dryRun { RuleCheckRequest.leave(in: journal) }
                print(
                    dryRun
                        ? "X accepts \(rules.count) of \(rules.count) rules"
                        : RuleList(taken).text(on: .ofStandardOutput))
            }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete rules, by id or by value.",
            discussion: """
                Examples:
                  tweet-producer rules delete 1273026480692322304 1273026480692322305
                  tweet-producer rules delete --value 'from:nasa' --value 'from:esa'
                """)

        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>

        @Argument(help: ArgumentHelp("Ids, as `rules list` shows them.", valueName: "id"))
        var ids: [String] = []

        @Option(name: .customLong("value"), help: ArgumentHelp("Text of the rule; repeatable.", valueName: "rule"))
        var values: [String] = []

        func validate() throws {
            if ids.isEmpty == values.isEmpty {
                throw ValidationError("Pass ids or --value: `rules list` shows both.")
            }
            if let wrong = ids.first(where: { !$0.allSatisfy { $0.isASCII && $0.isNumber } }) {
                throw ValidationError("'\(wrong)' is not an id; pass the text of a rule with --value.")
            }
        }

        func run() throws {
            try runCommand {
                let (rules, journal) = try connectToRules(common, x)
                if ids.isEmpty { try rules.delete(values: values) } else { try rules.delete(ids: ids) }
                RuleCheckRequest.leave(in: journal)
                print("deleted \(counted(ids.count + values.count, "rule"))")
            }
        }
    }
}

/// What the flags, the environment and the settings file say about X, and the folder of the journals.
private func connectToRules(
    _ common: SettingFlags<CommonSettings>, _ x: SettingFlags<XSettings>
) throws -> (rules: XRules, journal: String) {
    var reader = try SettingsReader(
        flags: flags(common.values, x.values),
        known: ProducerSettings.known)
    let settings = XSettings(&reader)
    StreamSource.requireFiltered(&reader)
    CommonSettings.startLogging(&reader)
    let journal = reader.text(JournalSettings.folder)
    try reader.finish()
    return (XRules(settings), journal)
}

/// Rules at X.
struct RuleList: Report {
    /// A rule as every command shows it.
    struct Rule: Encodable {
        let id: String
        let value: String
        let tag: String?

        init(_ rule: XRule) {
            (id, value, tag) = (rule.id, rule.value, rule.tag)
        }
    }

    let rules: [Rule]

    init(_ rules: [XRule]) {
        self.rules = rules.map(Rule.init)
    }

    func text(on terminal: Terminal?) -> String {
        if rules.isEmpty { return "no rules" }
        let rows = rules.map { [$0.id, ($0.tag ?? "-").plain, $0.value.plain] }
        return FittingTable(header: ["ID", "TAG", "VALUE"], rows: rows).text(on: terminal)
    }
}
