import Core

/// The account's contract with X; a setting, because X's API does not report it.
package enum AccountPlan: String, CaseIterable, Sendable {
    /// Pay-per-use and what else can be bought without talking to X.
    case selfServe = "self-serve"
    case enterprise

    /// The setting that says it.
    package static let setting = Setting(
        "X_PLAN", flag: "plan", .one(of: AccountPlan.self), default: "self-serve",
        "The account's plan: `self-serve` has 1,000 rules of 1,024 characters and no replay, `enterprise` 25,000 of 2,048,"
            + " backfill and recovery")

    /// How many rules a project may hold (X: "Filtered stream", introduction).
    package var maximalRules: Int { self == .enterprise ? 25_000 : 1000 }

    /// How long a rule may be, in code points of Unicode, spaces included (X: same page).
    package var maximalRuleLength: Int { self == .enterprise ? 2048 : 1024 }

    /// How long a query of the search and counts endpoints may be, in code points.
    package var maximalQueryLength: Int { self == .enterprise ? 4096 : 512 }

    /// Reads the setting; without it the plan is `self-serve`.
    package static func read(_ reader: inout SettingsReader) -> AccountPlan {
        reader.choice(setting, AccountPlan.self) ?? .selfServe
    }
}
