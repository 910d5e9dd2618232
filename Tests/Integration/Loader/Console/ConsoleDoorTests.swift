import Core
import Harness
import Operations
import TestSupport
import Testing

@testable import TweetLoader

/// ConsoleRow F96: whom the console answers, and what clients can do to it.
@Suite("The console's door", .ownThreads, .timeLimit(.minutes(4)))
struct ConsoleDoorTests {
    private let database: TestDatabase
    private let console: TestConsole
    private let folder: TemporaryFolder

    init() throws {
        database = try TestDatabase()
        console = try TestConsole(database.url) { $0.hosts = ["archive.example"] }
        folder = try TemporaryFolder()
        try folder.write("0123456789abcdef\n", to: "token")
    }

    @Test func f96OtherHostsAreMisdirected() throws {
        for host in ["localhost", "127.0.0.1:8080", "[::1]:8080", "archive.example", "ARCHIVE.example:443"] {
            #expect(try console.ask("/", host: host).status == 200, "\(host)")
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"] {
            for path in ["/", "/gaps", "/console.css", "/livez"] {
                #expect(try console.ask(path, host: host).status == 421, "\(host) \(path)")
            }
        }
        // HTTP/1.1 without a host is no request.
        #expect(try [400, 421].contains(console.ask("/", host: nil).status))
    }

    @Test func f96NothingChangesAnything() throws {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            for path in ["/", "/rejects", "/login", "/nowhere"] {
                let answer = try console.ask(path, method: method)
                #expect(answer.status == 405 && answer.field("allow") == "GET, HEAD", "\(method) \(path)")
            }
        }
        #expect(try console.ask("/nowhere").status == 404)
        #expect(try console.ask("/../etc/passwd").status == 404)
        let head = try console.ask("/gaps", method: "HEAD")
        let length = try console.ask("/gaps").body.utf8.count
        #expect(head.status == 200 && head.body.isEmpty)
        #expect(head.field("content-length") == "\(length)")
    }

    @Test func f96OtherSitesGetNothing() throws {
        for (path, fields, status) in [
            ("/gaps", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], 403),
            ("/", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"], 403),
            ("/?window=30d", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], 403),
            ("/", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"], 200),
            ("/gaps", ["Sec-Fetch-Site: same-origin"], 200), ("/gaps", ["Sec-Fetch-Site: none"], 200),
        ] {
            #expect(try console.ask(path, fields: fields).status == status, "\(path) \(fields)")
        }
    }

    @Test func everyAnswerForbidsWhatPagesDoNotNeed() throws {
        for path in ["/", "/console.css", "/console.js", "/nowhere", "/rejects?id=1", "/?x=%ff"] {
            let answer = try console.ask(path)
            let policy = try #require(answer.field("content-security-policy"))
            #expect(policy.hasPrefix("default-src 'none';") && policy.contains("frame-ancestors 'none'"))
            #expect(!policy.contains("unsafe") && !policy.contains("http"))
            #expect(answer.field("x-content-type-options") == "nosniff")
            #expect(answer.field("referrer-policy") == "no-referrer")
            #expect(answer.field("cache-control") == "no-store")
        }
        #expect(try console.ask("/?x=%ff").status == 400)
    }

    @Test func f96TheTokenIsNeededAndCannotBeGuessed() throws {
        let path = folder.path + "/token"
        let console = try TestConsole(database.url) { $0.listen.tokenFile = path }
        let stranger = try console.ask("/")
        #expect(stranger.status == 401 && stranger.body.contains("<form method=\"post\" action=\"/login\">"))
        #expect(try console.ask("/gaps", fields: ["Authorization: Bearer 0123456789abcdef"]).status == 200)
        #expect(try console.ask("/console.css").status == 200)

        let login = try console.ask("/login", method: "POST", body: "token=0123456789abcdef")
        let cookie = try #require(login.field("set-cookie"))
        #expect(login.status == 303 && cookie.contains("; HttpOnly; SameSite=Strict"))
        #expect(!cookie.contains("0123456789abcdef"))
        let visit = "Cookie: \(cookie.prefix { $0 != ";" })"
        #expect(try console.ask("/gaps", fields: [visit]).status == 200)
        #expect(try console.ask("/gaps", fields: ["Cookie: tweet_console=x"]).status == 401)

        for _ in 0..<4 { #expect(try console.ask("/", fields: ["Authorization: Bearer wrong"]).status == 401) }
        #expect(try console.ask("/login", method: "POST", body: "token=wrong").status == 401)
        let shut = try console.ask("/login", method: "POST", body: "token=0123456789abcdef")
        #expect(shut.status == 429 && shut.field("retry-after") == "60")
        #expect(try console.ask("/", fields: ["Authorization: Bearer 0123456789abcdef"]).status == 429)
        // Who is in stays in, until the token changes.
        #expect(try console.ask("/gaps", fields: [visit]).status == 200)
        try folder.write("fedcba9876543210\n", to: "token")
        #expect(try console.ask("/gaps", fields: [visit]).status == 401)
    }

    @Test func f96SlowClientsAndManyConnectionsEnd() throws {
        let port = console.port
        // A byte now and then is no request: each connection ends 15 s after its beginning.
        let slow = try #require(RawHTTP(port))
        defer { slow.close() }
        slow.send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        let dripping = Background {
            for _ in 0..<600 {
                guard slow.send("x") else { return }
                endure(.milliseconds(100))
            }
        }
        // More than are accepted at once; those that wait are accepted when others end.
        let many = (0..<400).compactMap { _ in RawHTTP(port) }
        #expect(many.count == 400)
        #expect(slow.isClosed(within: .seconds(50)))
        try dripping.join()
        for connection in many { connection.close() }
        #expect(try eventually { try console.ask("/rejects").status == 200 })
    }

    @Test func anAddressThatOthersReachNeedsATokenFile() throws {
        for (address, needs) in [("0.0.0.0:8080", true), ("192.0.2.1:8080", true), ("[::1]:8080", false)] {
            let flags = ["DATABASE_URL": database.url, "CONSOLE_LISTEN": address]
            var reader = try SettingsReader(flags: flags, known: LoaderSettings.known, environment: [:])
            _ = try ConsoleConfiguration(&reader)
            #expect(reader.mistakes.contains { $0.contains("CONSOLE_TOKEN_FILE") } == needs, "\(address)")
        }
        for (name, value) in [("CONSOLE_LISTEN", "off"), ("CONSOLE_TIMEOUT", "0s"), ("CONSOLE_TIMEOUT", "2m")] {
            let flags = ["DATABASE_URL": database.url, name: value]
            var reader = try SettingsReader(flags: flags, known: LoaderSettings.known, environment: [:])
            _ = try ConsoleConfiguration(&reader)
            #expect(reader.mistakes.count == 1, "\(name)=\(value)")
        }
    }
}
