import Core

/// The files with what the receiver and the proxy want to see; read for every request, so that new ones need no restart.
struct ReceiverCredentials: Sendable {
    /// What the files hold.
    struct Found: Sendable {
        var fields: [(name: String, value: Secret)] = []
        /// `user:password`.
        var proxy: Secret?

        /// Whether the receiver sees the same.
        func isSame(as other: Found) -> Bool {
            proxy?.value == other.proxy?.value
                && fields.elementsEqual(other.fields) { $0.name == $1.name && $0.value.value == $1.value.value }
        }
    }

    var tokenFile: String?
    var tokenField = ShippingFormat.jsonLines.tokenField
    var headersFile: String?
    var proxyFile: String?

    /// The headers and the credentials as they are now.
    ///
    /// - Throws: `SettingsError` that names the file; never what it holds.
    func read() throws(SettingsError) -> Found {
        var found = Found()
        if let tokenFile {
            let token = try Self.word(in: tokenFile, of: LogHTTPSettings.tokenFile)
            let scheme = tokenField.scheme
            found.fields.append((tokenField.name, Secret(scheme.isEmpty ? token : "\(scheme) \(token)")))
            Redaction.remember(token)
        }
        if let headersFile { found.fields += try Self.fields(in: headersFile) }
        if let proxyFile {
            let text = try Self.word(in: proxyFile, of: LogHTTPSettings.proxyCredentialsFile)
            guard let colon = text.firstIndex(of: ":") else {
                throw SettingsError(
                    "\(LogHTTPSettings.proxyCredentialsFile.environment): \(proxyFile): user and password must have a colon"
                        + " between them")
            }
            Redaction.remember(String(text[text.index(after: colon)...]))
            found.proxy = Secret(text)
        }
        return found
    }

    private static func text(in path: String, of setting: Setting) throws(SettingsError) -> String {
        do { return try readTextFile(path) } catch { throw SettingsError("\(setting.environment): \(error)") }
    }

    /// One word of visible ASCII.
    private static func word(in path: String, of setting: Setting) throws(SettingsError) -> String {
        let word = try text(in: path, of: setting).trimmed
        guard !word.isEmpty, word.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw SettingsError(
                "\(setting.environment): \(path): the file must have one line of visible ASCII characters without spaces"
            )
        }
        return word
    }

    private static func fields(in path: String) throws(SettingsError) -> [(name: String, value: Secret)] {
        var fields: [(name: String, value: Secret)] = []
        let lines = try text(in: path, of: LogHTTPSettings.headersFile)
            .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (number, line) in lines.enumerated() {
            let line = String(line).trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard let field = HeaderField.read(line) else {
                throw SettingsError(
                    "\(LogHTTPSettings.headersFile.environment): \(path):\(number + 1): not a header such as"
                        + " `X-Scope-OrgID: tenant`")
            }
            fields.append((field.name, Secret(field.value)))
        }
        return fields
    }
}

/// A header field (RFC 9110, section 5).
enum HeaderField {
    /// Whether a text can be the name of a field.
    static func isName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 48...57, 65...90, 97...122: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    /// Reads `Name: value`; nil for anything else.
    static func read(_ line: String) -> (name: String, value: String)? {
        guard let colon = line.firstIndex(of: ":") else { return nil }
        let (name, value) = (String(line[..<colon]), String(line[line.index(after: colon)...]).trimmed)
        guard isName(name), !value.isEmpty, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return nil }
        return (name, value)
    }
}
