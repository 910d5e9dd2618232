import ArgumentParser
import Core
import XAPI

extension RulesCommand {
    struct Apply: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the rules at X those of a file.",
            discussion: """
                Checks the file, shows the changes, validates every new rule at X (dry run), and then changes the rules so \
                that a rule that you keep stays active throughout: new rules are added before old ones are deleted. A \
                changed tag uses a second rule with the same meaning, since X can neither change a tag nor hold a value \
                twice. At the end the rules are read back and compared.

                When a request fails, completed changes stay, and the next `rules apply` continues from there.

                Exit status: 0 done or nothing to do, 64 no --yes without a terminal, 65 errors in the file or \
                a rule that X rejects, 69 X is unreachable, 75 too many requests, or another process is \
                changing rules, 77 credentials rejected, 78 invalid settings.
                """)

        @OptionGroup var common: SettingFlags<CommonSettings>
        @OptionGroup(title: "X") var x: SettingFlags<XSettings>
        @OptionGroup(title: "Rules") var rules: SettingFlags<RulesFlags>

        @Argument(help: ArgumentHelp("The rules file (X_RULES_FILE).", valueName: "file"))
        var file: String?

        @Flag(help: "Change the rules without confirmation.")
        var yes = false

        func run() throws {
            try runCommand {
                let settings = try RulesSettings(common, x, rules, file: file)
                let comparison = try settings.compare()
                let (application, plan) = (settings.application, comparison.plan)
                print(RulePlanView(plan, price: settings.price).text(on: .ofStandardOutput))
                if plan.isEmpty { return }
                guard try yes || confirm("Change the rules at X?") else {
                    print("nothing was changed")
                    return
                }
                // Also after a failure: what was changed by then is to be recorded.
                defer { settings.requestCheck() }
                try application.apply(plan, wanted: comparison.wanted)
                print("done: X has \(plan.finalCount) rules, as in the file")
            }
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

        @Argument(help: ArgumentHelp("The rules file (X_RULES_FILE).", valueName: "file"))
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
            }
        }
    }
}
