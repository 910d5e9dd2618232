import Core
import XAPI

/// How several producers of one stream work together.
package enum StandbyMode: String, CaseIterable, Sendable {
    /// This producer is alone.
    case off
    /// One producer reads, the others are ready to.
    case on
    /// Every producer reads.
    case active
}

/// The setting of standby producers.
enum StandbySettings: SettingGroup {
    static let title = "Standby"
    static let mode = Setting(
        "STANDBY", .one(of: StandbyMode.self), default: "off",
        "Several producers of one stream on several hosts: with `on` one reads and the others wait to take over, with"
            + " `active` (X_PLAN=enterprise) all read, and gaps are only filled on request")
    static let settings = [mode]

    /// Reads the mode; mistakes are added to the reader's.
    ///
    /// - Parameters:
    ///   - reader: the settings.
    ///   - plan: the account's plan: only an enterprise account has two connections.
    /// - Returns: the mode.
    static func read(_ reader: inout SettingsReader, plan: AccountPlan) -> StandbyMode {
        let mode = reader.choice(Self.mode, StandbyMode.self) ?? .off
        if mode == .active, plan != .enterprise {
            reader.addMistake(
                "\(reader.origin(Self.mode)): X allows one connection; set STANDBY=on, or X_PLAN=enterprise for an account"
                    + " with redundant connections")
        }
        return mode
    }
}
