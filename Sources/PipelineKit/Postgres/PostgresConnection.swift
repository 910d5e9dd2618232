internal import CPostgres
import Core
import Glibc

/// One connection to PostgreSQL over blocking libpq; owned by one thread, closed when dropped.
///
/// Every wait for an answer has a deadline of its own beside the server's `statement_timeout`, because a server that hangs
/// cannot keep the latter.
@safe
package struct PostgresConnection: ~Copyable {
    /// What kind of server is good enough.
    package enum Role: Sendable {
        /// One that takes writes: not a standby, not read-only.
        case writer
        /// Any, for looking.
        case any
    }

    let handle: OpaquePointer
    private let stop: Stop?
    /// How long one statement may run on the server; nil: without limit.
    let statementTimeout: Duration?
    private let grace: Duration

    private init(handle: OpaquePointer, _ conninfo: PostgresConninfo, stop: Stop?) {
        unsafe self.handle = handle
        (statementTimeout, grace) = (conninfo.statementTimeout, conninfo.answerGrace)
        self.stop = stop
    }

    deinit {
        unsafe PQfinish(handle)
    }

    /// Connects to the first server of `conninfo` that plays `role`. Names are resolved each time.
    ///
    /// - Parameters:
    ///   - conninfo: where to connect.
    ///   - role: what kind of server is wanted; another one is left again (25006).
    ///   - stop: ends every wait of this connection once it is immediate.
    /// - Returns: a connection that takes statements.
    /// - Throws: `PostgresError` of the last server that was tried.
    package static func connect(
        _ conninfo: PostgresConninfo, role: Role = .writer, stop: Stop? = nil
    ) throws(PostgresError) -> PostgresConnection {
        var failure = PostgresError("connect", message: "no server to connect to", isConnectionLost: true)
        for server in conninfo.servers {
            do {
                let connection = try unsafe PostgresConnection(
                    handle: start(conninfo.parameters(for: server)), conninfo, stop: stop)
                try connection.finishConnecting(within: conninfo.connectTimeout)
                try connection.prepareSession(role)
                return connection
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Begins to connect; the caller ends it with PQfinish.
    static func start(_ parameters: [(String, String)]) throws(PostgresError) -> OpaquePointer {
        var handle: OpaquePointer?
        unsafe withCStrings(parameters.map(\.0) + [nil]) { keys in
            unsafe withCStrings(parameters.map(\.1) + [nil]) { values in
                unsafe handle = PQconnectStartParams(keys, values, 1)
            }
        }
        guard let handle = unsafe handle else {
            throw PostgresError("connect", message: "out of memory", isConnectionLost: true)
        }
        // The only way to learn the SQLSTATE of a refused connection (libpq, PQsetErrorVerbosity).
        unsafe PQsetErrorVerbosity(handle, PQERRORS_VERBOSE)
        unsafe PQsetNoticeProcessor(handle, ignoreNotice, nil)
        return unsafe handle
    }

    /// What libpq says when a connection with these key words and values does not start; empty when it does.
    static func failureOfStarting(_ parameters: [(String, String)]) -> String {
        guard let handle = unsafe try? start(parameters) else { return "out of memory" }
        defer { unsafe PQfinish(handle) }
        return unsafe PQstatus(handle) == CONNECTION_BAD ? PostgresError.message(of: handle) : ""
    }

    /// Drives libpq's connection start (libpq, PQconnectPoll), which unlike PQconnectdb can be stopped.
    private func finishConnecting(within timeout: Duration?) throws(PostgresError) {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        guard unsafe PQstatus(handle) != CONNECTION_BAD else { throw connectFailure() }
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard state != PGRES_POLLING_FAILED else { throw connectFailure() }
            try wait(
                for: Int16(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), until: deadline, doing: "connect")
            state = unsafe PQconnectPoll(handle)
        }
        unsafe PQsetErrorVerbosity(handle, PQERRORS_DEFAULT)
    }

    private func connectFailure() -> PostgresError {
        let message = unsafe PostgresError.message(of: handle)
        let words = message.split(separator: " ").filter { $0.utf8.count == 6 && $0.last == ":" }.map { $0.dropLast() }
        let states = words.filter { word in
            word.contains(where: \.isNumber) && word.allSatisfy { $0.isASCII && ($0.isNumber || $0.isUppercase) }
        }
        return PostgresError(
            "connect", sqlstate: states.last.map(String.init), message: message, isConnectionLost: true)
    }

    /// Runs one or more statements without parameters; their rows are ignored.
    ///
    /// - Parameters:
    ///   - sql: statements of our own making, never data.
    ///   - operation: what to call this in an error; `sql` itself when nil.
    /// - Throws: `PostgresError` of the first statement that fails.
    package func execute(_ sql: String, doing operation: String? = nil) throws(PostgresError) {
        let operation = operation ?? sql
        guard unsafe PQsendQuery(handle, sql) == 1 else { throw lost(operation) }
        _ = try answer(operation)
    }

    /// Runs one statement with parameters in text form; an array is passed as `arrayLiteral(_:)`.
    ///
    /// - Throws: `PostgresError`; 22021 when a parameter holds a NUL, which PostgreSQL's text cannot.
    package func query(
        _ sql: String, _ parameters: [String?] = [], doing operation: String
    ) throws(PostgresError) -> PostgresResult {
        guard parameters.allSatisfy({ !($0?.utf8.contains(0) ?? false) }) else {
            throw PostgresError(operation, sqlstate: "22021", message: "a NUL in a parameter", isConnectionLost: false)
        }
        var sent: Int32 = 0
        unsafe withCStrings(parameters) { values in
            unsafe sent = PQsendQueryParams(handle, sql, Int32(parameters.count), nil, values, nil, nil, 0)
        }
        guard sent == 1 else { throw lost(operation) }
        return try answer(operation)
    }

    /// Reads results until there are no more (libpq, PQgetResult); the first error wins, else the last result.
    ///
    /// A COPY that begins ends the reading, because it must be served first.
    func answer(_ operation: String) throws(PostgresError) -> PostgresResult {
        let deadline = answerDeadline
        var failure: PostgresError?
        var last: OpaquePointer?
        while true {
            do { try waitForResult(until: deadline, doing: operation) } catch {
                unsafe PQclear(last)
                throw error
            }
            guard let result = unsafe PQgetResult(handle) else { break }
            unsafe PQclear(last)
            unsafe last = result
            let status = unsafe PQresultStatus(result)
            if status == PGRES_COPY_IN { break }
            if failure == nil, status != PGRES_TUPLES_OK, status != PGRES_COMMAND_OK, status != PGRES_EMPTY_QUERY {
                unsafe failure = PostgresError(operation, result: result, connection: handle)
            }
        }
        guard let last = unsafe last else { throw lost(operation) }
        let result = unsafe PostgresResult(last)
        if let failure { throw failure }
        return result
    }

    /// A server that hangs cannot keep its own time-out; a little later it counts as gone.
    var answerDeadline: ContinuousClock.Instant? {
        statementTimeout.map { ContinuousClock.now + $0 + min($0, grace) }
    }

    private func waitForResult(
        until deadline: ContinuousClock.Instant?, doing operation: String
    ) throws(PostgresError) {
        while unsafe PQisBusy(handle) == 1 {
            try wait(for: Int16(POLLIN), until: deadline, doing: operation)
            guard unsafe PQconsumeInput(handle) == 1 else { throw lost(operation) }
        }
    }

    /// Waits on the socket; checks `stop` several times a second.
    ///
    /// The deadline counts on every turn: a server that sends single bytes is not making progress.
    func wait(
        for events: Int16, until deadline: ContinuousClock.Instant?, doing operation: String
    ) throws(PostgresError) {
        while true {
            if let deadline, ContinuousClock.now >= deadline { throw abandon(operation, "no answer in time") }
            if stop?.isImmediate == true { throw abandon(operation, "aborted because the service stops") }
            var descriptor = pollfd(fd: unsafe PQsocket(handle), events: events, revents: 0)
            let ready = unsafe poll(&descriptor, 1, 100)
            Heartbeat.beat()
            if ready > 0 { return }
            if ready < 0, errno != EINTR { throw abandon(operation, "poll failed") }
        }
    }

    /// Cuts the connection, so that closing it later cannot block either.
    private func abandon(_ operation: String, _ reason: String) -> PostgresError {
        shutdown(unsafe PQsocket(handle), Int32(SHUT_RDWR))
        return PostgresError(operation, message: reason, isConnectionLost: true)
    }

    func lost(_ operation: String) -> PostgresError {
        let message = unsafe PostgresError.message(of: handle)
        return PostgresError(
            operation, message: message.isEmpty ? "connection lost" : message, isConnectionLost: true)
    }
}

/// Notices say what we know already ("relation exists, skipping"); libpq would write them to standard error.
private func ignoreNotice(_: UnsafeMutableRawPointer?, _: UnsafePointer<CChar>?) {}

/// Lends an array of C strings, null where the string is nil.
private func withCStrings(_ strings: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Void) {
    let copies = unsafe strings.map { text in unsafe text.map { unsafe strdup($0) } ?? nil }
    defer { unsafe copies.forEach { unsafe free($0) } }
    unsafe copies.map { unsafe UnsafePointer($0) }.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}
