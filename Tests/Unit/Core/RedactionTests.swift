import Testing

@testable import Core
@testable import HTTP
@testable import KafkaClient
@testable import Postgres

/// No text of a library is shown with credentials in it.
@Suite(.timeLimit(.minutes(5))) struct RedactionTests {
    static let specials = [
        "@", ":", "/", "?", "#", "%", "&", "=", "+", "\"", "'", "\\", " ", "é", "\n", "@/", "%zz", "@@",
    ]

    /// Two halves around a special character: neither may be seen.
    static func canary(_ special: String) -> String { "C4nary\(special)S3cret" }

    static func leaks(_ text: String) -> Bool {
        let lower = text.lowercased()
        return lower.contains("c4nary") || lower.contains("s3cret")
    }

    @Test(arguments: [
        (
            "Unsupported proxy syntax in 'http://corp:a@b@proxy.invalid:3128'",
            "Unsupported proxy syntax in 'http://***@proxy.invalid:3128'"
        ),
        ("Could not resolve proxy: b@proxy.invalid", "Could not resolve proxy: ***@proxy.invalid"),
        ("host \"2oHGo@db\" not found", "host \"***@db\" not found"),
        ("sasl_ssl://broker:9092/bootstrap: Connect failed", "sasl_ssl://broker:9092/bootstrap: Connect failed"),
        ("Failed to connect to api.x.com port 443", "Failed to connect to api.x.com port 443"),
        ("options: password = 'a b' host=nowhere", "options: password = *** host=nowhere"),
        ("user=u&password=abc&host=nowhere", "user=u&password=***&host=nowhere"),
    ])
    func credentialsAreCutOut(text: String, expected: String) {
        #expect(Redaction.clean(text) == expected)
        #expect(CurlError(.init(2), text).description == expected)
        #expect(KafkaError(.init(0), "test", reason: text).reason == expected)
        #expect(PostgresError("test", message: text, isConnectionLost: true).serverMessage == expected)
    }

    @Test func whatIsASecretIsRemovedLiterally() {
        for special in Self.specials {
            let secret = Secret(Self.canary(special) + "xyz")
            #expect(!Self.leaks(Redaction.clean("before \(secret.value) behind")))
        }
        // As libcurl and libpq quote it once it is decoded.
        _ = Secret("C4nary%40S3cret")
        #expect(Redaction.clean("'C4nary@S3cret'") == "'***'")
    }

    @Test(arguments: specials)
    func aProxyThatLibcurlWouldQuoteIsASettingsError(special: String) {
        let password = Self.canary(special)
        for scheme in ["http://", "htpp://", "ftp://", ""] {
            let value = "\(scheme)corp:\(password)@proxy.example:3128"
            for name in Proxies.variables {
                let mistakes = Proxies.mistakes([name: value])
                #expect(!Self.leaks("\(mistakes)"), "\(mistakes)")
                #expect(mistakes.allSatisfy { $0.hasPrefix("environment \(name): ") })
                let isPlain = [":", "&", "=", "+", "'"].contains(special) && ["http://", ""].contains(scheme)
                #expect(mistakes.isEmpty == isPlain, "\(special) \(scheme): \(mistakes)")
            }
        }
        let escaped = "http://corp:\(percentEncoded(password))@proxy.example:3128"
        #expect(Proxies.mistakes(["https_proxy": escaped]).isEmpty)
    }

    @Test func theCharacterToEscapeIsNamed() {
        func mistake(_ value: String) -> String { Proxies.mistakes(["https_proxy": value]).joined() }
        #expect(mistake("http://u:a@b@p:1") == "environment https_proxy: write @ as %40 in user and password")
        #expect(mistake("http://u:a#b@p:1").contains("# as %23"))
        #expect(mistake("http://u:a b@p:1").contains("a space as %20"))
        #expect(mistake("http://u:a%b@p:1").contains("% as %25"))
        #expect(mistake("ftp://p:1").contains("scheme must be http"))
        #expect(mistake("http://p:x").contains("not an address"))
        for good in ["p:3128", "http://p.example", "http://[::1]:3128/", "socks5h://u:a%40b@10.0.0.1:1080"] {
            #expect(mistake(good) == "")
        }
    }

    /// What a connection string that was put together wrongly says of it.
    @Test(arguments: specials)
    func aConnectionStringNeverShowsItsPassword(special: String) {
        let password = Self.canary(special)
        let texts = [
            "postgresql://u:\(password)@127.0.0.1:1/d", "\"postgresql://u:\(password)@127.0.0.1:1/d\"",
            "'postgresql://u:\(password)@127.0.0.1:1/d'", "\"postgresql://u:\(password)@127.0.0.1:1/d",
            "mysql://u:\(password)@127.0.0.1:1/d", "u:\(password)@127.0.0.1:1/d",
            "postgresql:/u:\(password)@127.0.0.1/d",
            "host=127.0.0.1 port=1 password=\(password)", "host=127.0.0.1 port=1 password='\(password)'",
            "password=\(password) hots=127.0.0.1", "postgresql://127.0.0.1:1/d?password=\(password)&schema=public",
            "postgresql://u:\(password)@127.0.0.1:1/d?schema=public", "postgresql://u:12/\(password)@127.0.0.1/d",
            "postgresql://u:\(password)@127.0.0.1:1/d?sslmode=no-verify",
        ]
        for text in texts {
            do {
                let conninfo = try PostgresConninfo(text, environment: [:])
                #expect(!Self.leaks(conninfo.place), "\(text): \(conninfo.place)")
                let error = #expect(throws: PostgresError.self) { _ = try PostgresConnection.connect(conninfo) }
                #expect(
                    !Self.leaks("\(error?.description ?? "") \(error?.serverMessage ?? "")"), "\(text): \(error as Any)"
                )
            } catch {
                #expect(error.disposition == .operator(.settings))
                #expect(!Self.leaks(error.description), "\(text): \(error)")
            }
        }
    }

    @Test(arguments: [
        ("\"postgresql://u:p@h/d\"", "the value is in quotation marks"),
        ("mysql://u@h/d", "the scheme mysql:// is not PostgreSQL's"),
        ("postgresql://h/d?schema=public", "invalid connection option \"schema\""),
        ("hots=foo", "invalid connection option \"hots\"; did you mean host?"),
        ("postgresql://u:a@b@h/d", "write @ as %40"), ("postgresql://u:a/b@h/d", "/ as %2F"),
        ("postgresql://u:12/b@h/d", "/ as %2F"), ("postgresql://u:p%zz@h/d", "written %25"),
        ("host=a@b", "the host contains an invalid character"), ("host=h port=S3", "the port is not a number"),
        ("postgresql://h/d?sslmode=no-verify", "sslmode has a value that libpq does not accept; use one of disable"),
        ("host=h target_session_attrs=any-thing", "target_session_attrs has a value that libpq does not accept"),
        ("host=a,b,c port=1,2", "2 ports for 3 hosts"), ("service=none-of-this-name", "none-of-this-name"),
    ])
    func whatLibpqCanNeverUseIsASettingsError(text: String, expected: String) {
        let failure = #expect(throws: SettingsError.self) { _ = try PostgresConninfo(text, environment: [:]) }
        #expect(failure?.disposition == .operator(.settings))
        #expect(failure?.description.contains(expected) == true, "\(failure as Any)")
    }

    @Test(arguments: [
        "", "postgresql:///d?host=/run/postgresql", "host=/run/x dbname=d", "postgresql://u@h:5432,i:5433/d",
        "dbname=d",
        "postgresql://u:p%40w@h/d?application_name=a@b&sslmode=require", "host=h,i port=1,2",
        "host=h hostaddr=127.0.0.1",
        "host=h sslmode=verify-full sslrootcert=/dev/null gssencmode=disable connect_timeout=3",
        "postgresql://[::1]:1/d",
    ])
    func whatLibpqCanUseIsTaken(text: String) throws {
        _ = try PostgresConninfo(text, environment: [:])
    }
}
