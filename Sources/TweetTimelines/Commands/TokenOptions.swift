import ArgumentParser
import Core
import Postgres

/// The settings of commands about accounts.
struct TokenOptions: ParsableArguments {
    @OptionGroup(title: "PostgreSQL") var database: SettingFlags<DatabaseSettings>
    @OptionGroup(title: "App and tokens") var tokens: SettingFlags<TokenSettings>
    @OptionGroup(title: "Common") var common: SettingFlags<CommonSettings>

    /// Reads the settings, and starts logging.
    ///
    /// - Parameter isKeyNeeded: whether a command cannot do without the key of tokens.
    /// - Returns: the settings.
    /// - Throws: `SettingsError` with everything that is wrong.
    func access(needingKey isKeyNeeded: Bool = false) throws -> TokenAccess {
        var reader = try SettingsReader(
            flags: flags(database.values, tokens.values, common.values), known: TimelinesService.known)
        let access = try TokenAccess(&reader)
        if isKeyNeeded, access.key == nil, reader.string(TokenSettings.keyFile) == nil {
            _ = reader.required(
                TokenSettings.keyFile,
                why: "tokens are stored encrypted; `(umask 077; openssl rand -hex 32 > timelines.key)` makes a key")
        }
        CommonSettings.startLogging(&reader)
        try reader.finish()
        return access
    }
}

extension TokenAccess {
    /// Does work that needs the key of tokens, on one connection.
    ///
    /// - Parameter work: what to do.
    /// - Returns: what it returns.
    /// - Throws: `DatabaseError`, also when the key is not that of the stored tokens; what the work throws.
    func withTokens<Result>(
        _ work: (borrowing PostgresConnection, TokenStore) throws -> Result
    ) throws -> Result {
        try onDatabase(conninfo, role: .writer) { connection in
            guard let key else { throw Failure(.badSettings, "TIMELINE_KEY_FILE (--key-file) is not set") }
            return try work(connection, TokenStore(vault: TokenVault(key, old: oldKey, connection)))
        }
    }
}
