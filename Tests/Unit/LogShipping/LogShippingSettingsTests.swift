import TestSupport
import Testing

@testable import Core
@testable import LogShipping

/// What the settings of log shipping accept.
@Suite(.timeLimit(.minutes(5))) struct LogShippingSettingsTests {
    private func read(_ environment: [String: String]) throws -> (settings: LogShippingSettings?, mistakes: [String]) {
        var reader = try SettingsReader(flags: [:], known: LogHTTPSettings.settings, environment: environment)
        let settings = LogShippingSettings.read(&reader)
        return (settings, reader.mistakes)
    }

    @Test func withoutAURLNothingIsShipped() throws {
        let (settings, mistakes) = try read(["LOG_HTTP_FORMAT": "loki"])
        #expect(settings == nil && mistakes.isEmpty)
    }

    @Test func defaultsAreThoseOfTheTypes() throws {
        let (found, mistakes) = try read(["LOG_HTTP_URL": "https://logs.example/ingest?x=1"])
        let (settings, usual) = (try #require(found), LogShippingSettings(url: ""))
        #expect(mistakes.isEmpty)
        #expect(settings.level == usual.level && settings.timeout == usual.timeout && settings.drain == usual.drain)
        #expect(settings.queueBytes == usual.queueBytes && settings.spoolBytes == usual.spoolBytes)
        #expect(settings.limits.batchBytes == usual.limits.batchBytes && settings.limits.linger == usual.limits.linger)
        #expect(settings.limits.tries == usual.limits.tries && settings.limits.retryTime == usual.limits.retryTime)
        #expect(settings.body.format == .jsonLines && settings.body.envelopeKey == usual.body.envelopeKey)
        #expect(settings.rules.transient == usual.rules.transient && settings.rules.success == nil)
        #expect(settings.credentials.tokenField == usual.credentials.tokenField && settings.proxy == nil)
        #expect(!settings.isCompressed && settings.spool == nil)
    }

    @Test func everythingIsRead() throws {
        let folder = try TemporaryFolder()
        try folder.write("  secret-token\n", to: "token")
        try folder.write("# tenant\nX-Scope-OrgID: a b\n\n", to: "headers")
        try folder.write("user:pass:word\n", to: "proxy")
        let (found, mistakes) = try read([
            "LOG_HTTP_URL": "http://localhost:8088/services/collector/event", "LOG_HTTP_FORMAT": "splunk-hec",
            "LOG_HTTP_TOKEN_FILE": folder.path + "/token", "LOG_HTTP_HEADERS_FILE": folder.path + "/headers",
            "LOG_HTTP_BUCKET": "main", "LOG_HTTP_MEMBERS": "env=prod, team = a=b", "LOG_HTTP_SUCCESS": "200, 201",
            "LOG_HTTP_RETRY_ON": "503", "LOG_HTTP_PROXY": "http://proxy:3128",
            "LOG_HTTP_PROXY_CREDENTIALS_FILE": folder.path + "/proxy", "LOG_HTTP_COMPRESS": "gzip",
        ])
        #expect(mistakes.isEmpty)
        let settings = try #require(found)
        let credentials = try settings.credentials.read()
        #expect(credentials.fields.map(\.name) == ["Authorization", "X-Scope-OrgID"])
        #expect(credentials.fields.map(\.value.value) == ["Splunk secret-token", "a b"])
        #expect(credentials.proxy?.value == "user:pass:word")
        #expect(settings.body.members == [.init(name: "env", value: "prod"), .init(name: "team", value: "a=b")])
        #expect(settings.rules.success == [200, 201] && settings.rules.transient == [503])
        #expect(settings.proxy == "http://proxy:3128" && settings.isCompressed)
        #expect(Redaction.withoutSecrets("x secret-token x") == "x *** x")
        try folder.write("new-token", to: "token")
        #expect(try !settings.credentials.read().isSame(as: credentials))
    }

    @Test func theTokensPlaceFollowsTheFormat() throws {
        let url = ["LOG_HTTP_URL": "https://h"]
        func field(_ more: [String: String]) throws -> TokenField? {
            try read(url.merging(more) { $1 }).settings?.credentials.tokenField
        }
        #expect(try field([:]) == TokenField(name: "Authorization", scheme: "Bearer"))
        #expect(try field(["LOG_HTTP_FORMAT": "elastic-bulk"]) == TokenField(name: "Authorization", scheme: "ApiKey"))
        #expect(try field(["LOG_HTTP_TOKEN_HEADER": "DD-API-KEY"]) == TokenField(name: "DD-API-KEY", scheme: ""))
        #expect(
            try field(["LOG_HTTP_TOKEN_HEADER": "Authorization: Token"])
                == TokenField(name: "Authorization", scheme: "Token"))
        #expect(try field(["LOG_HTTP_FORMAT": "envelope", "LOG_HTTP_ENVELOPE": "single"]) != nil)
    }

    @Test(
        "what cannot be used is an error of settings that shows no secret",
        arguments: [
            ("LOG_HTTP_URL", "ftp://h"), ("LOG_HTTP_URL", "https://user:hidden@h/"), ("LOG_HTTP_URL", "https://h /"),
            ("LOG_HTTP_URL", "https://"), ("LOG_HTTP_FORMAT", "gelf"), ("LOG_HTTP_BUCKET", "b"),
            ("LOG_HTTP_MEMBERS", "a"), ("LOG_HTTP_MEMBERS", "=a"), ("LOG_HTTP_SUCCESS", "20"),
            ("LOG_HTTP_RETRY_ON", "a"), ("LOG_HTTP_TOKEN_HEADER", "a b"), ("LOG_HTTP_TOKEN_FILE", "/missing"),
            ("LOG_HTTP_HEADERS_FILE", "/missing"), ("LOG_HTTP_CA_FILE", "/missing"), ("LOG_HTTP_PROXY", "ftp://p"),
            ("LOG_HTTP_PROXY", "http://user:hidden@p"), ("LOG_HTTP_QUEUE_BYTES", "1KiB"), ("LOG_HTTP_TIMEOUT", "1ms"),
            ("LOG_HTTP_COMPRESS", "zstd"), ("LOG_HTTP_ENVELOPE", "x"),
        ])
    func mistakes(name: String, value: String) throws {
        let (settings, mistakes) = try read(["LOG_HTTP_URL": "https://h"].merging([name: value]) { $1 })
        #expect(settings == nil && mistakes.count == 1, "\(mistakes)")
        #expect(mistakes.allSatisfy { $0.contains(name) && !$0.contains("hidden") }, "\(mistakes)")
    }

    @Test func filesThatHoldSomethingElseAreNamedNotShown() throws {
        let folder = try TemporaryFolder()
        try folder.write("two words", to: "token")
        try folder.write("Good: x\nno header here hidden\n", to: "headers")
        try folder.write("hidden", to: "proxy")
        for (name, file, place) in [
            ("LOG_HTTP_TOKEN_FILE", "token", "/token"), ("LOG_HTTP_HEADERS_FILE", "headers", "/headers:2"),
            ("LOG_HTTP_PROXY_CREDENTIALS_FILE", "proxy", "/proxy"),
        ] {
            let (settings, mistakes) = try read(["LOG_HTTP_URL": "https://h", name: folder.path + "/" + file])
            #expect(settings == nil && mistakes.count == 1)
            #expect(mistakes[0].contains(name) && mistakes[0].contains(place) && !mistakes[0].contains("hidden"))
        }
    }
}
