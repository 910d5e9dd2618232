import Core

/// Tokens that the simulator has granted, with X's rules: a refresh token works once, and a spent one kills the whole grant.
struct TokenBook {
    /// A login: everything that came from one code.
    struct Grant {
        let account: Int64
        var access: String
        /// When the access token expires.
        var expires: Timestamp
        var refresh: String
        var isDead = false
    }

    struct Code {
        let account: Int64
        let challenge: String
        let redirect: String
        let expires: Timestamp
    }

    /// The app: nil secret for a public client.
    var clientID = XSimulator.clientID
    var clientSecret: String?
    var lifetime = Duration.seconds(7200)
    /// Answers that are lost after the grant was made.
    var lostAnswers = 0
    private(set) var grants: [Grant] = []
    /// The grant of each refresh token that was ever made.
    private var refreshTokens: [String: Int] = [:]
    var codes: [String: Code] = [:]
    private var count = 0

    /// The account that an access token belongs to; nil when it is not valid.
    func account(of access: String, at now: Timestamp) -> Int64? {
        grants.last { $0.access == access && !$0.isDead && $0.expires > now }?.account
    }

    /// A new login; it kills the account's older ones.
    mutating func grant(_ account: Int64, at now: Timestamp) -> Grant {
        for index in grants.indices where grants[index].account == account { grants[index].isDead = true }
        let grant = Grant(
            account: account, access: token("access", account), expires: now.advanced(by: lifetime),
            refresh: token("refresh", account))
        grants.append(grant)
        refreshTokens[grant.refresh] = grants.count - 1
        return grant
    }

    /// The pair that follows a refresh token; nil when it is spent, revoked or unknown.
    mutating func refresh(_ refresh: String, at now: Timestamp) -> (grant: Grant?, killed: Bool) {
        guard let index = refreshTokens[refresh], !grants[index].isDead else { return (nil, false) }
        guard grants[index].refresh == refresh else {
            grants[index].isDead = true
            return (nil, true)
        }
        grants[index].access = token("access", grants[index].account)
        grants[index].refresh = token("refresh", grants[index].account)
        grants[index].expires = now.advanced(by: lifetime)
        refreshTokens[grants[index].refresh] = index
        return (grants[index], false)
    }

    /// Ends every grant that a token belongs to, or that an account has.
    mutating func revoke(token: String? = nil, account: Int64? = nil) {
        for index in grants.indices {
            let grant = grants[index]
            if grant.access == token || grant.refresh == token || grant.account == account {
                grants[index].isDead = true
            }
        }
    }

    /// Makes access tokens expire now.
    mutating func expire(_ account: Int64?) {
        for index in grants.indices where account == nil || grants[index].account == account {
            grants[index].expires = Timestamp(milliseconds: 0)
        }
    }

    private mutating func token(_ kind: String, _ account: Int64) -> String {
        count += 1
        return "sandbox-\(kind)-\(account)-\(count)-\(UInt64.random(in: 0 ... .max))"
    }
}

extension XSimulator {
    /// The app's client id.
    package static let clientID = "sandbox-client"

    /// Logs a user in without a browser.
    ///
    /// - Parameters:
    ///   - account: whose token.
    ///   - lifetime: of its access token.
    /// - Returns: the pair.
    package func logIn(_ account: Int64, lifetime: Duration? = nil) -> (access: String, refresh: String) {
        let now = clock.now
        return users.state.withLock { state in
            let usual = state.tokens.lifetime
            state.tokens.lifetime = lifetime ?? usual
            let grant = state.tokens.grant(account, at: now)
            state.tokens.lifetime = usual
            return (grant.access, grant.refresh)
        }
    }

    /// The user withdraws the app's access.
    package func revokeAccess(of account: Int64) { users.state.withLock { $0.tokens.revoke(account: account) } }

    /// Makes access tokens expire now: of one account, or of all.
    package func expireTokens(of account: Int64? = nil) { users.state.withLock { $0.tokens.expire(account) } }

    /// Loses answers of the token endpoint after the grant was made.
    package func loseTokenAnswers(_ count: Int) { users.state.withLock { $0.tokens.lostAnswers = count } }

    /// Makes the app a confidential client, or with nil a public one.
    package func setClientSecret(_ secret: String?) { users.state.withLock { $0.tokens.clientSecret = secret } }

    /// Whether an account has a grant that works.
    package func isLoggedIn(_ account: Int64) -> Bool {
        users.state.withLock { state in state.tokens.grants.contains { $0.account == account && !$0.isDead } }
    }
}
