import Core
import TestSupport
import Testing

@testable import Operations

/// Who gets what answer.
@Suite(.timeLimit(.minutes(5))) struct OperationsEndpointsTests {
    private let health = ServiceHealth(startsWith: ["journal"])
    private let registry = MetricsRegistry(prefix: "p")
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("0123456789abcdef\n", to: "token")
        registry.counter("lines", "Lines.").add(3)
    }

    private func answer(
        _ path: String, method: String = "GET", host: String? = "localhost:9464", accept: String? = nil,
        authorization: String? = nil, isLoopback: Bool = true, hasToken: Bool = false
    ) throws -> OperationsEndpoints.Answer {
        OperationsEndpoints(service: "tweet-x", registry: registry, health: health).answer(
            .init(method: method, path: path, host: host, accept: accept, authorization: authorization),
            isLoopback: isLoopback, token: hasToken ? try StatusToken(folder.path + "/token") : nil)
    }

    @Test func metricsComeInTheFormThatIsAskedFor() throws {
        let plain = try answer("/metrics")
        #expect(plain.status == 200 && plain.contentType == "text/plain; version=0.0.4; charset=utf-8")
        #expect(plain.body.hasSuffix("p_lines_total 3\n"))
        let open = try answer("/metrics", accept: "application/openmetrics-text;version=1.0.0")
        #expect(open.contentType.hasPrefix("application/openmetrics-text") && open.body.hasSuffix("# EOF\n"))
        #expect(try answer("/metrics", method: "HEAD") == plain)
    }

    @Test func probesFollowTheService() throws {
        #expect(try answer("/livez").status == 200)
        #expect(try answer("/readyz") == .init(status: 503, body: "waiting: journal\n"))
        health.done("journal")
        #expect(try answer("/readyz") == .init(body: "ok\n"))
        #expect(try answer("/readyz", method: "HEAD").status == 200)
        let status = try answer("/status")
        #expect(status.contentType == "application/json")
        #expect(status.body.contains("\"is_ready\" : true") && status.body.contains("\"service\" : \"tweet-x\""))
    }

    @Test func onlyGetAndHead() throws {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = try answer("/metrics", method: method)
            #expect(answer.status == 405 && answer.fields == ["Allow": "GET, HEAD"])
        }
        #expect(try answer("/x").status == 404)
        #expect(try answer("/metrics/x").status == 404)
    }

    @Test("a page that reaches the loopback by a name of its own gets nothing")
    func theHostIsChecked() throws {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:9464", "127.9.9.9", "[::1]:9464", "[::1]"] {
            #expect(try answer("/livez", host: host).status == 200, "\(host)")
        }
        for host in [
            "evil.example", "evil.example:9464", "localhost.evil.example", "127.evil.example", "", "10.0.0.1", nil,
        ] {
            #expect(try answer("/livez", host: host).status == 421, "\(host ?? "none")")
        }
        #expect(try answer("/livez", host: "producer.example:9464", isLoopback: false).status == 200)
    }

    @Test func theTokenIsNeededForAllButTheProbes() throws {
        for path in ["/metrics", "/status", "/healthz", "/", "/else"] {
            for authorization in [
                nil, "", "Bearer", "Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Basic 0123456789abcdef",
                "Bearer 0123456789abcdef0", "Bearer ",
            ] {
                let refused = try answer(path, authorization: authorization, hasToken: true)
                #expect(refused.status == 401 && refused.fields == ["WWW-Authenticate": "Bearer"])
            }
        }
        #expect(try answer("/metrics", authorization: "bearer 0123456789abcdef", hasToken: true).status == 200)
        #expect(try answer("/livez", hasToken: true).status == 200)
        #expect(try answer("/readyz", hasToken: true).status == 503)
    }

    @Test func aNewTokenInTheFileIsEnough() throws {
        let token = try StatusToken(folder.path + "/token")
        try folder.write("fedcba9876543210", to: "token")
        #expect(token.accepts("Bearer fedcba9876543210") && !token.accepts("Bearer 0123456789abcdef"))
        // A file that is being replaced leaves the last token valid.
        try folder.write("", to: "token")
        #expect(token.accepts("Bearer fedcba9876543210") && !token.accepts("Bearer "))
    }

    // MARK: Settings

    private func read(_ environment: [String: String]) throws -> (ListenSettings?, mistakes: [String]) {
        let settings = ListenSettings.settings(port: 9464)
        var reader = try SettingsReader(
            flags: [:], known: [settings.address, settings.token], environment: environment)
        return (ListenSettings.read(&reader, settings), reader.mistakes)
    }

    @Test func addresses() throws {
        #expect(try read([:]).0 == ListenSettings(host: "127.0.0.1", port: 9464, isChosen: false))
        #expect(try read(["LISTEN": "off"]) == (nil, []))
        #expect(try read(["LISTEN": "[::1]:80"]).0 == ListenSettings(host: "::1", port: 80))
        #expect(try read(["LISTEN": "localhost:80"]).mistakes == [])
        for text in ["9464", "localhost", ":80", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "on"] {
            let mistake = try #require(try read(["LISTEN": text]).mistakes.first)
            #expect(mistake.hasPrefix("environment LISTEN: '\(text)' is not an address such as 127.0.0.1:9464"))
        }
    }

    @Test func otherAddressesNeedAToken() throws {
        for host in ["0.0.0.0", "[::]", "10.1.2.3", "127.example", "producer.example"] {
            let mistake = try #require(try read(["LISTEN": "\(host):9464"]).mistakes.first)
            #expect(mistake.contains("STATUS_TOKEN_FILE"), "\(mistake)")
            let allowed = try read(["LISTEN": "\(host):9464", "STATUS_TOKEN_FILE": folder.path + "/token"])
            #expect(allowed.mistakes == [] && allowed.0?.tokenFile != nil)
        }
        try folder.write("short", to: "short")
        try folder.write("two words of sixteen", to: "words")
        for file in ["none", "short", "words"] {
            let found = try read(["LISTEN": "0.0.0.0:9464", "STATUS_TOKEN_FILE": folder.path + "/" + file])
            #expect(found.mistakes.count == 1 && found.mistakes[0].hasPrefix("environment STATUS_TOKEN_FILE: "))
        }
    }
}
