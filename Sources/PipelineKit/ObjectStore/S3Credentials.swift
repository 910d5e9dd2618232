import Core
import FoundationEssentials

/// An access key as S3 takes it.
package struct S3Credentials: Sendable {
    package let accessKey: String
    package let secretKey: Secret
    /// Given with keys that end.
    package let sessionToken: Secret?
    /// When the keys end; nil when they do not, or when it is not known.
    package let expires: Timestamp?

    /// - Throws: `S3Error`: `operator` when a value cannot be one; the message never shows it.
    init(
        accessKey: String?, secretKey: String?, sessionToken: String?, expires: String? = nil, from place: String
    ) throws(S3Error) {
        let token = sessionToken?.isEmpty == true ? nil : sessionToken
        for (name, value) in [("access key", accessKey), ("secret key", secretKey), ("session token", token ?? "-")] {
            guard let value, !value.isEmpty, value.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
                throw S3Error(.operator(.credentials), "\(place): the \(name) is missing, or is not visible ASCII")
            }
        }
        self.accessKey = accessKey ?? ""
        self.secretKey = Secret(secretKey ?? "")
        self.sessionToken = token.map(Secret.init)
        self.expires = expires.flatMap { Timestamp($0) }
    }
}

/// Where the access key comes from: the environment, else a file, else the machine itself.
package enum S3CredentialSource: Sendable {
    /// `AWS_ACCESS_KEY_ID` and its companions: the same for the whole run.
    case value(S3Credentials)
    /// A file that is read again for every request, so that a new key in it is enough.
    case file(path: String, profile: String)
    /// The metadata service of an EC2 instance, version 2; its URL.
    case instance(String)

    package static let accessKeySetting = Setting(
        "AWS_ACCESS_KEY_ID", .secret, isInFile: false, "Access key; it precedes the credentials file")
    package static let secretKeySetting = Setting(
        "AWS_SECRET_ACCESS_KEY", .secret, isInFile: false, "Secret of the access key")
    package static let sessionTokenSetting = Setting(
        "AWS_SESSION_TOKEN", .secret, isInFile: false, "Session token of a temporary access key")
    package static let fileSetting = Setting(
        "AWS_SHARED_CREDENTIALS_FILE", .file, unset: "~/.aws/credentials",
        "Credentials file: AWS's format, or the JSON of a `credential_process`; it is read for every request")
    package static let profileSetting = Setting(
        "AWS_PROFILE", .text, default: "default", "Section of the credentials file")
    package static let instanceSetting = Setting(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT", .url, default: "http://169.254.169.254",
        "Metadata service (version 2) that gives the keys of the instance's role when nothing else has any")
    package static let settings = [
        accessKeySetting, secretKeySetting, sessionTokenSetting, fileSetting, profileSetting, instanceSetting,
    ]

    /// Chooses the first of the three that is there.
    init(_ reader: inout SettingsReader) {
        let profile = reader.text(Self.profileSetting)
        if let key = reader.string(Self.accessKeySetting) {
            do throws(S3Error) {
                self = .value(
                    try S3Credentials(
                        accessKey: key, secretKey: reader.string(Self.secretKeySetting),
                        sessionToken: reader.string(Self.sessionTokenSetting), from: Self.accessKeySetting.environment))
                return
            } catch { reader.addMistake(error.description) }
        }
        if let path = reader.string(Self.fileSetting) {
            self = .file(path: path, profile: profile)
            do throws(S3Error) { _ = try Self.read(path, profile: profile) } catch {
                reader.addMistake(error.description)
            }
            return
        }
        let home = ProcessEnvironment.current["HOME"] ?? ""
        let usual = home + "/.aws/credentials"
        if !home.isEmpty, let size = try? JournalFolder.size(usual), size > 0 {
            self = .file(path: usual, profile: profile)
        } else {
            self = .instance(reader.text(Self.instanceSetting))
        }
    }

    /// Reads a file of keys: AWS's shared credentials format, or the JSON that AWS calls `credential_process` output.
    ///
    /// - Throws: `S3Error`: `operator` naming the file and the profile.
    static func read(_ path: String, profile: String) throws(S3Error) -> S3Credentials {
        let text: String
        do { text = try readTextFile(path) } catch {
            throw S3Error(.operator(.credentials), "\(fileSetting.environment): \(error)")
        }
        let place = "\(fileSetting.environment): \(path)"
        if text.drop(while: \.isWhitespace).first == "{" { return try parse(json: Array(text.utf8), from: place) }
        guard let values = section(profile, of: text) else {
            throw S3Error(.operator(.credentials), "\(place) has no [\(profile)]; name the profile with AWS_PROFILE")
        }
        return try S3Credentials(
            accessKey: values["aws_access_key_id"], secretKey: values["aws_secret_access_key"],
            sessionToken: values["aws_session_token"], expires: values["x_security_token_expires"],
            from: "\(place) [\(profile)]")
    }

    private static func section(_ profile: String, of text: String) -> [String: String]? {
        var values: [String: String]?
        var isWanted = false
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmed
            if line.hasPrefix("["), line.hasSuffix("]") {
                isWanted = line.dropFirst().dropLast().trimmed == profile
                if isWanted, values == nil { values = [:] }
            } else if isWanted, !line.hasPrefix("#"), !line.hasPrefix(";"), let equals = line.firstIndex(of: "=") {
                values?[line[..<equals].trimmed.lowercased()] = String(line[line.index(after: equals)...].trimmed)
            }
        }
        return values
    }

    private struct Answer: Decodable {
        var AccessKeyId: String?
        var SecretAccessKey: String?
        var Token: String?
        var SessionToken: String?
        var Expiration: String?
    }

    /// What AWS's programs and the metadata service answer.
    ///
    /// - Throws: `S3Error`: `operator` when it holds no key.
    static func parse(json: [UInt8], from place: String) throws(S3Error) -> S3Credentials {
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(json)) else {
            throw S3Error(.operator(.credentials), "\(place) is not the JSON of an access key")
        }
        return try S3Credentials(
            accessKey: answer.AccessKeyId, secretKey: answer.SecretAccessKey,
            sessionToken: answer.SessionToken ?? answer.Token, expires: answer.Expiration, from: place)
    }
}
