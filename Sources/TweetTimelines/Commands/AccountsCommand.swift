import ArgumentParser
import Core
import Postgres

struct AccountsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accounts", abstract: "Add, list and remove accounts.",
        subcommands: [
            AccountsLoginCommand.self, AccountsAddCommand.self, AccountsListCommand.self, Pause.self, Resume.self,
            AccountsRemoveCommand.self, AccountsRekeyCommand.self,
        ])

    struct Pause: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pause", abstract: "Stop reading accounts; tokens and entries stay.",
            discussion: """
                  tweet-timelines accounts pause @baristas 2244994945

                Exit status: 0 done, 65 an account is not there, 69 PostgreSQL is unreachable, 78 invalid settings.
                """)

        @OptionGroup var options: TokenOptions
        @Argument(help: "Handles or ids.") var accounts: [String]

        func run() throws { try runCommand { try change(accounts, to: .paused, options) } }
    }

    struct Resume: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "Read paused accounts again, and failing ones at once.",
            discussion: """
                  tweet-timelines accounts resume @baristas

                Exit status: 0 done, 65 an account is not there, 69 PostgreSQL is unreachable, 78 invalid settings.
                """)

        @OptionGroup var options: TokenOptions
        @Argument(help: "Handles or ids.") var accounts: [String]

        func run() throws { try runCommand { try change(accounts, to: .active, options) } }
    }
}

/// Changes the state of accounts: of all of them, or of none when one is not there.
private func change(_ names: [String], to state: AccountState, _ options: TokenOptions) throws {
    let access = try options.access()
    try onDatabase(access.conninfo, role: .writer) { connection in
        var ids: [Int64] = []
        for name in names { ids.append(try AccountBook.id(of: name, connection)) }
        try connection.execute("BEGIN")
        for id in ids {
            try AccountBook.set(
                id, state, detail: state == .paused ? "tweet-timelines accounts pause" : nil, connection)
            guard state == .active else { continue }
            _ = try connection.query(
                "UPDATE timelines SET due_at = least(due_at, now()) WHERE user_id = $1", ["\(id)"],
                doing: "make timelines due")
        }
        try connection.execute("SELECT pg_notify('x_tokens', ''); COMMIT", doing: "wake the pollers")
        print("\(state == .paused ? "paused" : "resumed") \(counted(ids.count, "account"))")
    }
}

struct AccountsListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show accounts and their states.",
        discussion: """
              tweet-timelines accounts list --json | jq '.accounts[] | select(.state != "active")'

            Exit status: 0 done, 69 PostgreSQL is unreachable, 77 credentials rejected, 78 invalid settings.
            """)

    @OptionGroup var options: TokenOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try runCommand {
            let access = try options.access()
            let accounts = try onDatabase(access.conninfo, role: .any) { try AccountBook.list($0) }
            output.show(AccountList(accounts: accounts))
        }
    }
}

/// What `accounts list` prints.
struct AccountList: Report {
    let accounts: [AccountBook.Entry]

    func text(on terminal: Terminal?) -> String {
        guard !accounts.isEmpty else { return "no accounts; add one with `tweet-timelines accounts login`" }
        let rows = accounts.map { account in
            [
                account.username.map { "@\($0.plain)" } ?? account.userID, account.userID, account.state.rawValue,
                account.since, "\(account.postsToday)", "\(account.gaps)", account.token ?? "none",
                account.detail?.plain ?? "",
            ]
        }
        return FittingTable(
            header: ["ACCOUNT", "ID", "STATE", "SINCE", "POSTS TODAY", "GAPS", "TOKEN", "DETAIL"], rows: rows,
            dispensable: [6, 1, 3]
        ).text(on: terminal)
    }
}
