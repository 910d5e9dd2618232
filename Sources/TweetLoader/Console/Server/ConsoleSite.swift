import Core
import Operations

/// What the console answers, and whom: everything but the pages themselves.
struct ConsoleSite: Sendable {
    let configuration: ConsoleConfiguration
    let queue: PageQueue
    /// Nil: no token is needed.
    let door: Door?

    /// Nothing from elsewhere, nothing inline, no frame: markup that came in by an error of ours does nothing.
    static let policy =
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self';"
        + " base-uri 'none'; frame-ancestors 'none'"

    private static let login = "/login"

    /// Answers a request.
    func answer(_ question: HTTPQuestion) async -> HTTPAnswer {
        var answer = await checked(question)
        answer.fields["Content-Security-Policy"] = Self.policy
        answer.fields["Referrer-Policy"] = "no-referrer"
        answer.fields["X-Frame-Options"] = "DENY"
        answer.fields["Cross-Origin-Opener-Policy"] = "same-origin"
        answer.fields["Cross-Origin-Resource-Policy"] = "same-origin"
        return answer
    }

    private func checked(_ question: HTTPQuestion) async -> HTTPAnswer {
        guard isOurs(question.host) else {
            return HTTPAnswer(
                status: 421,
                body: "the Host header names neither the loopback nor a host of CONSOLE_LISTEN or CONSOLE_HOSTS\n")
        }
        let isLogin = door != nil && question.method == "POST" && question.path == Self.login
        guard question.isRead || isLogin else {
            return HTTPAnswer(status: 405, body: "only GET and HEAD\n", fields: ["Allow": "GET, HEAD"])
        }
        guard !isForeign(question) else {
            return HTTPAnswer(status: 403, body: "a page of another site asked for this; open it by its address\n")
        }
        switch question.path {
        case "/console.css": return HTTPAnswer(contentType: "text/css; charset=utf-8", body: ConsoleFiles.style)
        case "/console.js":
            return HTTPAnswer(contentType: "text/javascript; charset=utf-8", body: ConsoleFiles.script)
        case "/livez": return HTTPAnswer(body: "ok\n")
        default: break
        }
        if let door {
            if isLogin { return enter(door, question) }
            switch door.verdict(on: question) {
            case .welcome: break
            case .stranger: return Self.form(status: 401, note: nil)
            case .shut: return Self.shut
            }
        }
        return await queue.answer(question)
            ?? HTTPAnswer(
                status: 503, body: "too many requests are pending; try again\n", fields: ["Retry-After": "5"])
    }

    /// Whether the name by which it was reached is one of its own: any name can lead to the loopback (DNS rebinding).
    private func isOurs(_ host: String?) -> Bool {
        guard let host, let address = ServerAddress(host[...], needsPort: false) else { return false }
        let isBracketed = address.host.hasPrefix("[")
        let name = String(isBracketed ? address.host.dropFirst().dropLast() : address.host).lowercased()
        return ListenSettings.isLoopback(name) || configuration.hosts.contains(name)
    }

    /// Whether a page of another site asks. Only a link to the first page is followed from elsewhere (Fetch Metadata).
    private func isForeign(_ question: HTTPQuestion) -> Bool {
        let site = question.fields["sec-fetch-site"]
        if !question.isRead { return !["same-origin", "none", nil].contains(site) }
        guard site == "cross-site" else { return false }
        return question.path != "/" || !question.query.isEmpty || question.fields["sec-fetch-mode"] != "navigate"
    }

    // MARK: Login

    private func enter(_ door: Door, _ question: HTTPQuestion) -> HTTPAnswer {
        let given = ConsoleRequest.parameters(question.body)?["token"] ?? ""
        let (verdict, cookie) = door.login(given.trimmed)
        guard let cookie else {
            return verdict == .shut ? Self.shut : Self.form(status: 401, note: "This is not the token.")
        }
        let isSecure = question.fields["x-forwarded-proto"] == "https" ? "; Secure" : ""
        return HTTPAnswer(
            status: 303, body: "",
            fields: [
                "Location": "/",
                "Set-Cookie":
                    "\(Door.cookieName)=\(cookie); Path=/; HttpOnly; SameSite=Strict; Max-Age=43200\(isSecure)",
            ])
    }

    private static let shut = HTTPAnswer(
        status: 429, body: "five wrong tokens within a minute: try again in a minute\n", fields: ["Retry-After": "60"])

    private static func form(status: Int, note: String?) -> HTTPAnswer {
        let content: HTML = """
            \(note.map { "<p class=\"problem\" role=\"alert\">\($0)</p>\n" as HTML } ?? HTML())<p>The token is in the file that \
            CONSOLE_TOKEN_FILE names.</p>
            <form method="post" action="\(login)"><p><label for="token">Token</label>
            <input id="token" name="token" type="password" autocomplete="current-password" required></p>
            <p><button>Log in</button></p></form>

            """
        return HTTPAnswer(
            status: status, contentType: "text/html; charset=utf-8",
            body: Layout(path: login, title: "Log in").document(content).text, fields: ["WWW-Authenticate": "Bearer"])
    }
}
