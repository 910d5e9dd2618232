import Core

/// What all pages have around them.
struct Layout {
    let path: String
    let title: String
    /// After how many seconds the script loads the page again; nil: never.
    var refreshes: Int?
    var now = Timestamp.now()

    /// The whole document.
    ///
    /// - Parameters:
    ///   - content: of the page, below its heading.
    ///   - query: of the request, so that a reload asks the same.
    /// - Returns: HTML.
    func document(_ content: HTML, query: String = "") -> HTML {
        let links = ConsolePages.all.map { page -> HTML in
            page.path == path
                ? "<li><a href=\"\(page.path)\" aria-current=\"page\">\(page.title)</a></li>\n"
                : "<li><a href=\"\(page.path)\">\(page.title)</a></li>\n"
        }
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title) – tweet-pipeline</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <link rel="stylesheet" href="/console.css"><script src="/console.js" defer></script></head>
            <body><a class="skip" href="#main">Skip to the content</a>
            <header><p class="name">tweet-pipeline</p>
            <nav aria-label="Pages"><ul>
            \(links.joined())</ul></nav>
            <p class="clock">\(Shown.time(now.milliseconds)) UTC \(reload(query))</p></header>
            <main id="main" tabindex="-1"\(refreshes.map { " data-refresh=\"\($0)\"" as HTML } ?? HTML())>
            <h1>\(title)</h1>
            \(content)</main>
            <footer><p>Read-only: nothing here changes anything. Times are UTC. tweet-loader \(productVersion)</p></footer>
            </body></html>

            """
    }

    private func reload(_ query: String) -> HTML {
        let address = HTML(text: query.isEmpty ? path : "\(path)?\(query)")
        return "<a class=\"reload\" href=\"\(address)\">Reload</a>"
    }
}
