import Core
import Digests
import Postgres

/// Encrypts and decrypts tokens with the keys of this process, which the database knows by number and check value.
struct TokenVault: Sendable {
    /// What a ciphertext belongs to: nothing else may take its place.
    enum Column: String, Sendable {
        case access, refresh
    }

    /// The number of the key that new tokens are encrypted with.
    let current: Int16
    private let keys: [Int16: TokenKey]

    init(current: Int16, keys: [Int16: TokenKey]) { (self.current, self.keys) = (current, keys) }

    /// Whether a token under this key can be decrypted.
    func has(_ key: Int16) -> Bool { keys[key] != nil }

    /// Encrypts a token.
    ///
    /// - Parameters:
    ///   - token: access or refresh token.
    ///   - account: whose it is.
    ///   - column: which of both it is.
    ///   - client: the app that it belongs to.
    /// - Returns: version 1, number of the key, nonce, ciphertext and tag.
    func seal(_ token: Secret, of account: Int64, _ column: Column, client: String) -> [UInt8] {
        let nonce = randomBytes(AESGCM.nonceBytes)
        guard let key = keys[current] else { preconditionFailure("the current key is one of the keys") }
        let sealed = AESGCM.seal(
            Array(token.value.utf8), key: key.bytes, nonce: nonce,
            authenticating: Self.data(account, column, client))
        return [1, UInt8(truncatingIfNeeded: current >> 8), UInt8(truncatingIfNeeded: current)] + nonce + sealed
    }

    /// Decrypts a token.
    ///
    /// - Returns: nil when its key is not one of these, or any of what was sealed is different.
    func open(_ record: [UInt8], of account: Int64, _ column: Column, client: String) -> Secret? {
        let start = 3 + AESGCM.nonceBytes
        guard record.count >= start + AESGCM.tagBytes, record[0] == 1,
            let key = keys[Int16(record[1]) << 8 | Int16(record[2])],
            let text = AESGCM.open(
                Array(record[start...]), key: key.bytes, nonce: Array(record[3..<start]),
                authenticating: Self.data(account, column, client))
        else { return nil }
        return Secret(String(decoding: text, as: UTF8.self))
    }

    private static func data(_ account: Int64, _ column: Column, _ client: String) -> [UInt8] {
        Array("\(account)|\(column.rawValue)|\(client)".utf8)
    }
}

extension TokenVault {
    /// Finds the numbers of this process's keys, and gives a new key the next one.
    ///
    /// - Parameters:
    ///   - key: that new tokens are encrypted with.
    ///   - old: the one before, or nil.
    ///   - connection: to the database.
    /// - Throws: `DatabaseError` (settings) when tokens are encrypted with a different key, which are left as they are;
    ///   `PostgresError`.
    init(_ key: TokenKey, old: TokenKey?, _ connection: borrowing PostgresConnection) throws {
        try connection.execute(
            "BEGIN; LOCK TABLE x_token_keys IN SHARE ROW EXCLUSIVE MODE", doing: "lock the keys of tokens")
        defer { try? connection.execute("ROLLBACK") }
        var keys = try Self.registered([key, old].compactMap { $0 }, connection)
        let used = try connection.query(
            "SELECT key_id, count(*) FROM x_tokens WHERE key_id IS NOT NULL GROUP BY key_id ORDER BY 1",
            doing: "look for the keys of tokens")
        for row in 0..<used.rowCount {
            guard let id = used.integer(row, 0).flatMap({ Int16(exactly: $0) }), keys[id] == nil else { continue }
            throw DatabaseError(
                .operator(.settings),
                "TIMELINE_KEY_FILE (--key-file): \(used.integer(row, 1) ?? 0) tokens are encrypted with key \(id), which is"
                    + " not in this file. No token was changed. Restore the key file from its backup; after a change of"
                    + " keys, name the key before in TIMELINE_OLD_KEY_FILE and run `tweet-timelines accounts rekey`")
        }
        let known = keys.first { $0.value.bytes == key.bytes }?.key
        let current = try known ?? Self.register(key, connection)
        keys[current] = key
        try connection.execute("COMMIT")
        self.init(current: current, keys: keys)
    }

    private static func registered(
        _ keys: [TokenKey], _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> [Int16: TokenKey] {
        var found: [Int16: TokenKey] = [:]
        for key in keys {
            let answer = try connection.query(
                "SELECT key_id FROM x_token_keys WHERE check_value = $1", [byteaLiteral(key.check)],
                doing: "look up a key of tokens")
            if answer.rowCount == 1, let id = answer.integer(0, 0) { found[Int16(clamping: id)] = key }
        }
        return found
    }

    private static func register(
        _ key: TokenKey, _ connection: borrowing PostgresConnection
    ) throws(PostgresError) -> Int16 {
        let answer = try connection.query(
            """
            INSERT INTO x_token_keys (key_id, check_value)
            SELECT coalesce(max(key_id), 0) + 1, $1 FROM x_token_keys RETURNING key_id
            """, [byteaLiteral(key.check)], doing: "register a key of tokens")
        return Int16(clamping: answer.integer(0, 0) ?? 0)
    }
}

/// Bytes in PostgreSQL's hexadecimal form, as a query returns them; nil for anything else.
func hexDecoded(_ text: String) -> [UInt8]? {
    guard text.hasPrefix("\\x"), text.utf8.count % 2 == 0 else { return nil }
    let digits = text.dropFirst(2).map(\.hexDigitValue)
    let values = digits.compactMap { $0 }
    guard values.count == digits.count else { return nil }
    return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] * 16 + values[$0 + 1]) }
}
