import Core
import HTTP

extension LogShippingSettings {
    /// Reads the settings; errors are added to the reader's.
    ///
    /// - Parameter reader: the settings.
    /// - Returns: nil without LOG_HTTP_URL, and when the settings cannot be used.
    package static func read(_ reader: inout SettingsReader) -> LogShippingSettings? {
        let before = reader.mistakes.count
        guard let url = reader.string(LogHTTPSettings.url) else { return nil }
        var settings = LogShippingSettings(url: url)
        if !isURL(url) {
            reader.addMistake(
                "\(reader.origin(LogHTTPSettings.url)): not a URL such as https://logs.example/ingest; user and password"
                    + " belong into \(LogHTTPSettings.tokenFile.environment) or"
                    + " \(LogHTTPSettings.headersFile.environment)")
        }
        settings.level = reader.choice(LogHTTPSettings.level, LogLevel.self) ?? .info
        settings.readBody(&reader)
        settings.readRules(&reader)
        settings.readConnection(&reader)
        settings.readLimits(&reader)
        return reader.mistakes.count == before ? settings : nil
    }

    /// Whether a text is a URL of HTTP without user info, spaces and control characters.
    static func isURL(_ text: String) -> Bool {
        guard let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) }),
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { return false }
        let authority = text.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
        return ServerAddress(authority, needsPort: false) != nil
    }

    private mutating func readBody(_ reader: inout SettingsReader) {
        body.format = reader.choice(LogHTTPSettings.format, ShippingFormat.self) ?? .jsonLines
        body.bucket = reader.string(LogHTTPSettings.bucket)
        if body.bucket != nil, !body.format.hasBucket {
            reader.addMistake(
                "\(reader.origin(LogHTTPSettings.bucket)): the format \(body.format.rawValue) has no bucket; remove it, or"
                    + " use \(LogHTTPSettings.members.environment)")
        }
        body.members = reader.value(LogHTTPSettings.members, Self.members) ?? []
        body.envelopeKey = reader.text(LogHTTPSettings.envelopeKey)
        body.isSingle = reader.text(LogHTTPSettings.envelope) == "single"
        _ = reader.value(LogHTTPSettings.envelope) { ["array", "single"].contains($0) ? $0 : nil }
    }

    /// Reads `name=value,name=value`; nil for anything else.
    static func members(_ text: String) -> [LogBody.Member]? {
        let pairs = text.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { String($0).trimmed }
        }
        guard pairs.allSatisfy({ $0.count == 2 && !$0[0].isEmpty }) else { return nil }
        return pairs.map { LogBody.Member(name: $0[0], value: $0[1]) }
    }

    private mutating func readRules(_ reader: inout SettingsReader) {
        rules = AnswerRules(
            format: body.format,
            transient: reader.value(LogHTTPSettings.retryOn, Self.statuses) ?? body.format.transientStatuses,
            success: reader.value(LogHTTPSettings.success, Self.statuses))
    }

    /// Reads `429,503`; nil for anything else.
    static func statuses(_ text: String) -> Set<Int>? {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int(String($0).trimmed) }
        guard numbers.allSatisfy({ $0.map((100...599).contains) ?? false }) else { return nil }
        return Set(numbers.compactMap { $0 })
    }

    private mutating func readConnection(_ reader: inout SettingsReader) {
        credentials.tokenFile = reader.string(LogHTTPSettings.tokenFile)
        credentials.tokenField = reader.value(LogHTTPSettings.tokenField, TokenField.init) ?? body.format.tokenField
        credentials.headersFile = reader.string(LogHTTPSettings.headersFile)
        credentials.proxyFile = reader.string(LogHTTPSettings.proxyCredentialsFile)
        do { _ = try credentials.read() } catch { reader.addMistake(error.description) }
        caFile = reader.string(LogHTTPSettings.caFile)
        if let caFile {
            do { _ = try readWholeFile(caFile) } catch {
                reader.addMistake("\(reader.origin(LogHTTPSettings.caFile)): \(error)")
            }
        }
        proxy = reader.value(LogHTTPSettings.proxy) { text in
            if text == "none" { return "" }
            return Proxies.mistake(text) == nil && !text.contains("@") ? text : nil
        }
        isCompressed =
            reader.value(LogHTTPSettings.compress) { $0 == "gzip" ? true : $0 == "none" ? false : nil } ?? false
        timeout = reader.duration(LogHTTPSettings.timeout)
    }

    private mutating func readLimits(_ reader: inout SettingsReader) {
        limits.linger = reader.duration(LogHTTPSettings.linger)
        limits.batchBytes = reader.bytes(LogHTTPSettings.batch)
        if body.format == .envelope, body.isSingle { limits.batchCount = 1 }
        limits.tries = reader.int(LogHTTPSettings.tries)
        limits.retryTime = reader.duration(LogHTTPSettings.retryTime)
        queueBytes = reader.bytes(LogHTTPSettings.queue)
        drain = reader.duration(LogHTTPSettings.drain)
        spool = reader.string(LogHTTPSettings.spool)
        spoolBytes = reader.bytes(LogHTTPSettings.spoolBytes)
        for (setting, value, least) in [
            (LogHTTPSettings.batch, limits.batchBytes, 16 << 10), (LogHTTPSettings.queue, queueBytes, 64 << 10),
            (LogHTTPSettings.spoolBytes, spoolBytes, 256 << 10),
        ] where !(least...256 << 20).contains(value) {
            reader.addMistake("\(reader.origin(setting)): must be from \(least >> 10)KiB to 256MiB")
        }
        if timeout < .milliseconds(100) {
            reader.addMistake("\(reader.origin(LogHTTPSettings.timeout)): must be at least 100ms")
        }
    }
}
