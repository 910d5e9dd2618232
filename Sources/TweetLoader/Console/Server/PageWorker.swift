import Core
import Logging
import Operations
import Postgres

/// Makes pages on a thread of its own, with a connection of its own that it makes again when it was lost.
struct PageWorker {
    private let configuration: ConsoleConfiguration
    private let queue: PageQueue
    private let stop: Stop
    private let logger: Logger
    private var session: ConsoleSession?

    /// - Parameters:
    ///   - configuration: of the console.
    ///   - queue: has the requests.
    ///   - stop: ends waiting for PostgreSQL once it is immediate.
    ///   - logger: gets what PostgreSQL answers instead of rows.
    init(_ configuration: ConsoleConfiguration, _ queue: PageQueue, stop: Stop, logger: Logger) {
        (self.configuration, self.queue, self.stop, self.logger) = (configuration, queue, stop, logger)
    }

    /// Answers requests until the queue is closed.
    mutating func run() {
        while let job = queue.next() { job.done(answer(job.question)) }
    }

    /// Answers a request.
    mutating func answer(_ question: HTTPQuestion) -> HTTPAnswer {
        guard let request = ConsoleRequest(question) else {
            return HTTPAnswer(status: 400, body: "the query is not percent-encoded UTF-8, or is too long\n")
        }
        guard let page = ConsolePages.page(request.path) else {
            return document(
                request, Layout(path: request.path, title: "Not found"), status: 404,
                "<p>There is no such page. \(Link.to("/", [], "Overview"))</p>\n")
        }
        let layout = Layout(
            path: request.path, title: page.title, refreshes: page.refresh, now: request.now)
        do {
            return document(request, layout, status: 200, try content(page, request))
        } catch let error as OutOfTime {
            return document(request, layout, status: 503, Self.excuse(error, configuration.timeout) + services(request))
        } catch {
            logger.warning(
                "a page of the console could not be read from PostgreSQL",
                metadata: ["page": "\(page.title)", "reason": "\(error)"])
            return document(request, layout, status: 503, Self.excuse(error) + services(request))
        }
    }

    /// What is known without PostgreSQL.
    private func services(_ request: ConsoleRequest) -> HTML {
        request.path == "/" ? ServiceFacts(configuration).html : HTML()
    }

    private mutating func content(_ page: ConsolePage, _ request: ConsoleRequest) throws -> HTML {
        let context = PageContext(request: request, configuration: configuration)
        if let session {
            defer { if session.isLost { self.session = nil } }
            session.begin()
            do { return try page.content(session, context) } catch {
                // A connection that was lost while it was idle is no failure of this page.
                guard session.isLost, session.timeLeft > .seconds(1) else { throw error }
            }
        }
        session = nil
        let fresh = try ConsoleSession(configuration.conninfo, budget: configuration.timeout, stop: stop)
        session = fresh
        fresh.begin()
        return try page.content(fresh, context)
    }

    private func document(_ request: ConsoleRequest, _ layout: Layout, status: Int, _ content: HTML) -> HTTPAnswer {
        HTTPAnswer(
            status: status, contentType: "text/html; charset=utf-8",
            body: layout.document(content, query: request.query).text)
    }

    private static func excuse(_: OutOfTime, _ time: Duration) -> HTML {
        """
        <p class="problem" role="alert">PostgreSQL did not answer within \(time.short) (CONSOLE_TIMEOUT). \
        Ask for a shorter time, or reload the page.</p>

        """
    }

    private static func excuse(_ error: any Error) -> HTML {
        var advice = "The page shows nothing until PostgreSQL answers again."
        if let error = error as? PostgresError, error.isMissingRight {
            advice = "The role of the console lacks a right: run tweet-loader migrate --reader ROLE as the owner."
        } else if error is DatabaseError {
            advice = "See the log of the console."
        }
        return """
            <p class="problem" role="alert">PostgreSQL cannot be read: \("\(error)"). \(advice)</p>

            """
    }
}
