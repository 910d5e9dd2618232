import Core

/// Where the app's bearer token comes from.
package enum BearerToken: Sendable {
    /// `X_BEARER_TOKEN`: the same for the whole run.
    case value(Secret)
    /// `X_BEARER_TOKEN_FILE`: read again for every connection, so that a new token in the file is enough.
    case file(String)

    package static let valueSetting = Setting(
        "X_BEARER_TOKEN", .secret, "The app's bearer token; set this or `X_BEARER_TOKEN_FILE`")
    package static let fileSetting = Setting(
        "X_BEARER_TOKEN_FILE", .file, "File with the app's bearer token; it is read again for every connection")

    /// Reads both settings; having neither or both is a mistake, and so is a token that cannot be one.
    static func read(_ reader: inout SettingsReader) -> BearerToken {
        let value = reader.string(valueSetting)
        let path = reader.string(fileSetting)
        let token: BearerToken
        switch (value, path) {
        case (_, nil):
            let text = reader.required(
                valueSetting, why: "X needs an app's bearer token, here or in \(fileSetting.title)")
            token = .value(Secret(text))
            if value == nil { return token }
        case (nil, let path?): token = .file(path)
        case (_?, let path?):
            reader.addMistake("\(valueSetting.title) and \(fileSetting.title) are both set; keep one")
            return .file(path)
        }
        do throws(XError) { _ = try token.read() } catch { reader.addMistake(error.description) }
        return token
    }

    /// The token as it is now.
    ///
    /// - Throws: `XError`: `operator` when the file cannot be read or does not hold a token; the message never shows it.
    package func read() throws(XError) -> Secret {
        switch self {
        case .value(let secret):
            return try Self.checked(secret.value, from: Self.valueSetting.environment)
        case .file(let path):
            let text: String
            do { text = try readTextFile(path) } catch {
                throw XError(.operator(.settings), "\(Self.fileSetting.environment): \(error)")
            }
            return try Self.checked(text, from: "\(Self.fileSetting.environment): \(path)")
        }
    }

    private static func checked(_ text: String, from place: String) throws(XError) -> Secret {
        let bytes = Array(text.trimmed.utf8)
        guard !bytes.isEmpty else { throw XError(.operator(.settings), "\(place): the token is empty") }
        if String(decoding: bytes.prefix(7), as: UTF8.self).lowercased() == "bearer " {
            throw XError(.operator(.settings), "\(place): leave out 'Bearer '; the token alone belongs here")
        }
        // RFC 6750, section 2.1: a bearer token is visible ASCII. Anything else is a mistake in copying.
        if let index = bytes.firstIndex(where: { !(0x21...0x7e).contains($0) }) {
            let what =
                bytes[index] <= 0x20 || bytes[index] == 0x7f
                ? "a space or control character" : "a character outside ASCII"
            throw XError(.operator(.settings), "\(place): the token has \(what) at byte \(index + 1) of \(bytes.count)")
        }
        return Secret(String(decoding: bytes, as: UTF8.self))
    }
}
