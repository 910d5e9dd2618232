import Core

/// What a page knows beside the database.
struct PageContext {
    let request: ConsoleRequest
    let configuration: ConsoleConfiguration

    var now: Timestamp { request.now }
}

/// A page: its place, its title, and what makes its content.
struct ConsolePage: Sendable {
    let path: String
    let title: String
    /// After how many seconds the script loads it again; nil: never.
    var refresh: Int?
    let content: @Sendable (ConsoleSession, PageContext) throws -> HTML
}

/// The pages in the order of the navigation.
enum ConsolePages {
    static let all: [ConsolePage] = [
        ConsolePage(path: "/", title: "Overview", refresh: 10) { try OverviewPage($0, $1).content() },
        ConsolePage(path: "/rules", title: "Rules") { try RulesPage($0, $1).content() },
        ConsolePage(path: "/gaps", title: "Gaps") { try GapsPage($0, $1).content() },
        ConsolePage(path: "/rejects", title: "Rejects") { try RejectsPage($0, $1).content() },
        ConsolePage(path: "/tweets", title: "Tweets") { try TweetsPage($0, $1).content() },
        ConsolePage(path: "/explain", title: "Explain") { try ExplainPage($0, $1).content() },
        ConsolePage(path: "/timelines", title: "Timelines") { try TimelinesPage($0, $1).content() },
        ConsolePage(path: "/tail", title: "Tail", refresh: 2) { try TailPage($0, $1).content() },
        ConsolePage(path: "/export", title: "Export") { try ExportPage($0, $1).content() },
    ]

    static func page(_ path: String) -> ConsolePage? { all.first { $0.path == path } }
}
