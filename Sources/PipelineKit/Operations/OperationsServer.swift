package import Core
package import Logging

/// Answers HTTP requests about a service, on one thread of its own that waits for nothing but sockets.
package final class OperationsServer: Sendable {
    private let server: HTTPServer

    /// Starts serving; returns when the port is open.
    ///
    /// - Parameters:
    ///   - settings: where; nil for nowhere.
    ///   - endpoints: what is answered.
    ///   - logger: gets where it listens, or why it does not.
    /// - Returns: the server; nil when it does not serve.
    /// - Throws: `SettingsError` when a chosen address cannot be listened on. A default address that is taken is only logged.
    package static func start(
        _ settings: ListenSettings?, _ endpoints: OperationsEndpoints, logger: Logger
    ) throws(SettingsError) -> OperationsServer? {
        guard let settings else { return nil }
        do {
            let server = try OperationsServer(settings, endpoints)
            logger.info(
                "answering HTTP requests for metrics and health", metadata: ["address": "\(settings.description)"])
            return server
        } catch {
            guard !settings.isChosen else {
                throw SettingsError(
                    "LISTEN (--listen): cannot listen on \(settings.description): \(HTTPServer.reason(error))")
            }
            logger.warning(
                "cannot listen on the default address; the service runs without metrics and probes",
                metadata: [
                    "address": "\(settings.description)", "reason": "\(HTTPServer.reason(error))",
                    "remedy": "set LISTEN to a free address, or to off",
                ])
            return nil
        }
    }

    private init(_ settings: ListenSettings, _ endpoints: OperationsEndpoints) throws {
        let token = try settings.tokenFile.map { (path) throws(FileError) in try StatusToken(path) }
        let isLoopback = settings.isLoopback
        server = try HTTPServer(settings) { question in
            endpoints.answer(.init(question), isLoopback: isLoopback, token: token)
        }
    }

    /// Closes the port and all connections, and ends the thread.
    package func stop() { server.stop() }
}

extension OperationsEndpoints.Request {
    fileprivate init(_ question: HTTPQuestion) {
        self.init(
            method: question.method, path: question.path, checks: Self.checks(question.query), host: question.host,
            accept: question.fields["accept"], authorization: question.fields["authorization"])
    }

    /// The names in `check=a,b`, which needs no escapes.
    private static func checks(_ query: String) -> [String] {
        query.split(separator: "&").filter { $0.hasPrefix("check=") }
            .flatMap { $0.dropFirst("check=".count).split(separator: ",").map(String.init) }
    }
}
