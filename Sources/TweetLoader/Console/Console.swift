import Core
import Logging
import Operations

/// The web console: a server of its own, and threads that ask PostgreSQL.
enum Console {
    /// Threads, and so connections to PostgreSQL, at most.
    static let workers = 4

    /// A console that listens.
    struct Running: Sendable {
        let queue: PageQueue
        let server: HTTPServer
    }

    /// Opens the port.
    ///
    /// - Parameter configuration: of the console.
    /// - Returns: the server, which answers once the workers run.
    /// - Throws: `SettingsError` when the address cannot be listened on.
    static func open(_ configuration: ConsoleConfiguration) throws -> Running {
        let queue = PageQueue()
        let door = try configuration.listen.tokenFile.map { Door(try StatusToken($0)) }
        let site = ConsoleSite(configuration: configuration, queue: queue, door: door)
        let limits = HTTPServer.Limits(connections: 256, patience: .seconds(15), body: 4096)
        do {
            return Running(queue: queue, server: try HTTPServer(configuration.listen, limits) { await site.answer($0) })
        } catch {
            throw SettingsError(
                "\(ConsoleSettings.listen.title): cannot listen on \(configuration.listen.description): "
                    + HTTPServer.reason(error))
        }
    }

    /// The threads that make pages.
    static func loops(
        _ configuration: ConsoleConfiguration, _ queue: PageQueue, stop: Stop, logger: Logger
    ) -> [Service.Loop] {
        (1...workers).map { number in
            Service.Loop("page-\(number)", bound: .seconds(120)) {
                var worker = PageWorker(configuration, queue, stop: stop, logger: logger)
                worker.run()
            }
        }
    }

    /// Shows pages until a signal ends it.
    ///
    /// - Parameters:
    ///   - configuration: of the console.
    ///   - logger: gets where it listens.
    /// - Throws: `SettingsError` when the address cannot be listened on.
    static func run(_ configuration: ConsoleConfiguration, logger: Logger) throws {
        let console = try open(configuration)
        defer { console.server.stop() }
        let stop = Stop()
        let end = stop.onRaise { console.queue.close() }
        defer { end.end() }
        logger.info(
            "the console shows its pages",
            metadata: [
                "address": "http://\(configuration.listen.description)/", "postgres": "\(configuration.conninfo.place)",
            ])
        try Service.run(
            loops(configuration, console.queue, stop: stop, logger: logger), stop: stop, drain: .seconds(10),
            logger: logger)
    }
}
