import ArgumentParser
import Core
import FoundationEssentials
import Glibc
import Postgres
import XAPI

struct AccountsLoginCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Log a user in to the app, and add the account.",
        discussion: """
            Prints the address of X's page on which the user agrees. X then sends the browser to X_CALLBACK_URL with a code: \
            paste that address here within 30 s, whether the page opens or not. This works over ssh. With --listen, for a \
            browser on this machine, the page opens and nothing is to be pasted.

            The app needs X_CALLBACK_URL among its callback URLs. X_CLIENT_SECRET is for confidential clients (web apps, \
            automated apps), and must not be set for a public one.

              tweet-timelines accounts login

            Exit status: 0 done; 65 the user denied access, or the address has no valid code; 69 X or PostgreSQL is \
            unreachable; 77 X rejects the app; 78 invalid settings, or the key is not that of the stored tokens.
            """)

    @OptionGroup var options: TokenOptions
    @Flag(help: "Receive the redirect on the port of X_CALLBACK_URL.") var listen = false

    func run() throws {
        try runCommand {
            let access = try options.access(needingKey: true)
            guard !access.client.id.isEmpty else {
                throw Failure(.badSettings, "\(TokenSettings.clientID.title) is not set; console.x.com shows it")
            }
            let request = AuthorizationRequest(redirect: access.callbackURL)
            // The key must be the right one before the user is asked: a code is good for one exchange.
            try access.withTokens { _, _ in }
            let listener = listen ? try RedirectListener(access.callbackURL) : nil
            print(
                "Open this address in a browser and agree:\n\n\(request.url(base: access.loginURL, clientID: access.client.id))\n"
            )
            fflush(nil)
            let grant = try exchange(try code(of: request, listener), request, access)
            if grant.refresh == nil {
                writeToStandardError(
                    "tweet-timelines: warning: X granted no refresh token; this login ends in 2 hours\n")
            }
            try add(grant, access)
        }
    }

    private func code(of request: AuthorizationRequest, _ listener: RedirectListener?) throws -> Secret {
        if let listener { return try request.code(in: try listener.wait(for: .seconds(300))) }
        print("Then paste the address that the browser was sent to: ", terminator: "")
        fflush(nil)
        guard let text = readLine() else { throw Failure(.badData, "no address was pasted") }
        return try request.code(in: text)
    }

    private func exchange(_ code: Secret, _ request: AuthorizationRequest, _ access: TokenAccess) throws -> TokenGrant {
        switch access.endpoint.exchange(code, of: request) {
        case .granted(let grant): return grant
        case .dead(let text):
            throw Failure(.badData, "X rejects the code: \(text). A code is valid for 30 s and once; log in again")
        case .app(let text):
            throw Failure(
                .refusedCredentials,
                "X rejects the app: \(text). X_CLIENT_SECRET belongs to confidential clients only; X_CALLBACK_URL must be"
                    + " registered for the app")
        case .later(let text, _): throw Failure(.unavailable, "\(text). Log in again later")
        }
    }

    private func add(_ grant: TokenGrant, _ access: TokenAccess) throws {
        let missing = AuthorizationRequest.scopes.filter { !(grant.scopes ?? AuthorizationRequest.scopes).contains($0) }
        if !missing.isEmpty {
            writeToStandardError("tweet-timelines: warning: X did not grant \(missing.joined(separator: ", "))\n")
        }
        let user = try me(grant, access)
        try access.withTokens { connection, store in
            try AccountBook.add(
                user.id, username: user.name, kind: .oauth2, access: grant.access, refresh: grant.refresh,
                expiresAt: .now().advanced(by: grant.lifetime), scopes: grant.scopes, client: access.client.id,
                store: store,
                connection)
        }
        print("added \(user.name.map { "@\($0.plain)" } ?? "account") (\(user.id))")
    }

    /// Whose token it is. X's answer may fail right after a login, so it is asked a few times.
    private func me(_ grant: TokenGrant, _ access: TokenAccess) throws -> (id: Int64, name: String?) {
        let client = try UserClient(url: access.url, caFile: access.caFile, stop: Stop())
        var reason = ""
        for attempt in 0..<5 {
            if attempt > 0 { Stop().wait(for: .seconds(1 << (attempt - 1))) }
            switch client.get("/2/users/me", query: [], as: .bearer(grant.access)) {
            case .page(let body, _, _):
                let data = (try? JSONDecoder().decode(JSONValue.self, from: Data(body)))?["data"]
                if let id = data?["id"]?.text.flatMap({ Int64($0) }) { return (id, data?["username"]?.text) }
                reason = "X's answer to GET /2/users/me has no id"
            case .problem(let problem): reason = "GET /2/users/me: \(problem)"
            case .unreachable(let text): reason = text
            }
        }
        throw Failure(.unavailable, "\(reason). The login is good, but X does not tell whose it is; log in again later")
    }
}
