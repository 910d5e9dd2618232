import ArgumentParser
import Core
import XAPI

extension RulesCommand {
    struct Apply: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change the rules at X to those of a rules file.",
            discussion: """
                Checks the file, shows the changes, validates every new rule at X (dry run), and then changes the rules so \
                that a rule that you keep stays active throughout: new rules are added before old ones are deleted. A \
                changed tag uses a second rule with the same meaning, since X can neither change a tag nor hold a value \
                twice. At the end the rules are read back and compared.

                Filters expand to rules, of which those stay that have what the filter asks for. The accounts that a filter \
                follows are read from X the first time, and again after a day or with --refresh, at the price that is shown.

                When a request fails, completed changes stay, and the next `rules apply` continues from there.

                Exit status: 0 done or nothing to do, 64 no --yes without a terminal, 65 errors in the file or \
                a rule that X rejects, 69 X is unreachable, 75 too many requests, or another process is \
                changing rules, 77 credentials rejected, 78 invalid settings.
                """)

        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>
        @OptionGroup(title: "Rules") var rules: SettingFlags<RulesFlags>

        @Argument(help: ArgumentHelp("The rules file (X_RULES_FILE).", valueName: "file"), completion: .file())
        var file: String?

        @Flag(help: "Change the rules, and pay for lists of accounts, without confirmation.")
        var yes = false

        @Flag(help: "Read the accounts that filters follow from X again, at X's price.")
        var refresh = false

        @OptionGroup var price: SettingFlags<PriceFlag>

        /// The answer to a question was no.
        private struct Declined: Error {}

        func run() throws {
            try runCommand {
                let settings = try RulesSettings(common, x, rules, file: file, flags: price.values)
                do { try apply(settings) } catch is Declined { print("nothing was changed") }
            }
        }

        private func apply(_ settings: RulesSettings) throws {
            let purchase = FollowingPurchase(settings)
            let comparison = try settings.compare { file in
                let due = try purchase.lookUp(purchase.due(file.filters, all: refresh))
                guard !due.isEmpty else { return }
                for line in purchase.text(due) { print(line) }
                try confirm("Read these accounts from X?")
                try purchase.read(due)
            }
            let (application, plan) = (settings.application, comparison.plan)
            let filters = comparison.expansion.filters.map { FilterRow($0, due: [], price: settings.userPrice) }
            print(RulePlanView(plan, price: settings.price, filters: filters).text(on: .ofStandardOutput))
            if plan.isEmpty { return }
            try confirm("Change the rules at X?")
            // Also after a failure: what was changed by then is to be recorded.
            defer { settings.requestCheck() }
            try application.apply(plan, wanted: comparison.wanted)
            print("done: X has \(plan.finalCount) rules, as in the file")
        }

        private func confirm(_ question: String) throws {
            if yes { return }
            guard try TweetProducer.confirm(question) else { throw Declined() }
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the rules at X as a file for `rules plan` and `rules apply`.",
            discussion: """
                With a prefix only our rules are written; the tags in the file do not have it.

                Example:
                  tweet-producer rules export > rules.yaml
                """)

        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>
        @OptionGroup(title: "Rules") var rules: SettingFlags<RulesFlags>

        func run() throws {
            try runCommand {
                let settings = try RulesSettings(common, x, rules, file: nil)
                let ours = try XRules(settings.x).list().filter(settings.ownership.owns)
                let exported = ours.map { WantedRule(value: $0.value, tag: settings.ownership.fileTag($0.tag)) }
                print(RulesFile.text(exported), terminator: "")
            }
        }
    }

    struct Validate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a rules file without connecting to X.",
            discussion: """
                Reports all errors with line and column: the file's format, each rule by X's grammar, length and \
                number of rules by the plan. A probable error is a warning, and so is an unknown operator, which \
                `rules plan` validates at X.

                Exit status: 0 the file is valid (with or without warnings), 65 it has errors.
                """)

        @OptionGroup var common: SettingFlags<CommonSettings>

        /// What it accepts beside the common settings.
        enum Flags: SettingGroup {
            static let settings = [AccountPlan.setting]
        }

        @OptionGroup var plan: SettingFlags<Flags>

        @Argument(help: ArgumentHelp("The rules file (X_RULES_FILE).", valueName: "file"), completion: .file())
        var file: String?

        func run() throws {
            try runCommand {
                var reader = try SettingsReader(
                    flags: flags(common.values, plan.values), known: ProducerSettings.known)
                let plan = AccountPlan.read(&reader)
                let path = file ?? reader.string(RulesFile.setting)
                CommonSettings.startLogging(&reader)
                try reader.finish()
                guard let path else {
                    throw Failure(
                        .usage, "no rules file: name it as an argument or in \(RulesFile.setting.environment)")
                }
                let checked = try RulesFile.look(at: path, plan: plan)
                printWarnings(checked.doubts())
                try checked.requireGood()
                let longest = checked.rules.map { $0.value.unicodeScalars.count }.max() ?? 0
                print(
                    "\(path): \(checked.rules.count) of at most \(plan.maximalRules) rules, the longest has \(longest) of "
                        + "\(plan.maximalRuleLength) characters")
                for account in checked.filters.flatMap(\.following) {
                    print("not counted: the accounts that \(FollowingPurchase.name(account)) follows; see rules plan")
                }
            }
        }
    }
}
