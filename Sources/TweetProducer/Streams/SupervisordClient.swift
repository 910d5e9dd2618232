import CCurl
import Core
import HTTP

/// Calls of supervisord's XML-RPC on its Unix socket (supervisord.org, "XML-RPC API Documentation").
struct SupervisordClient: Sendable {
    /// The socket.
    let socket: String

    /// Faults that callers expect (`supervisor.xmlrpc.Faults`).
    enum FaultCode {
        static let shutdown = 6
        static let badName = 10
        static let alreadyStarted = 60
        static let alreadyAdded = 90
        static let stillRunning = 91
        static let cannotReread = 92
    }

    /// The longest that a stop may take (`stopwaitsecs`), and a margin.
    private static let timeout = Duration.seconds(180)
    private static let bodyLimit = 16 << 20

    /// Whether supervisord runs, as far as its socket shows.
    var isThere: Bool {
        do {
            try send(XMLRPC.call("supervisor.getState", []), HTTPAnswer(bodyLimit: Self.bodyLimit))
            return true
        } catch { return error.code != CURLE_COULDNT_CONNECT.rawValue }
    }

    /// Calls a method and waits for its answer.
    ///
    /// - Parameters:
    ///   - method: without `supervisor.`.
    ///   - parameters: texts, numbers and flags.
    /// - Returns: the value of the answer.
    /// - Throws: `XMLRPC.Fault` that supervisord reports; `StreamsError`: `wait` when it cannot be asked, `retry` while it ends.
    func call(_ method: String, _ parameters: XMLRPCValue...) throws -> XMLRPCValue {
        let answer = HTTPAnswer(bodyLimit: Self.bodyLimit)
        do { try send(XMLRPC.call("supervisor." + method, parameters), answer) } catch {
            throw StreamsError(
                .wait,
                "supervisord cannot be reached: \(socket): \(error). Start supervisord, or name its socket with"
                    + " \(FleetSettings.socketSetting.title).")
        }
        guard answer.status == 200 else {
            let remedy = answer.status == 401 ? "; remove username= and password= below [unix_http_server]" : ""
            throw StreamsError(.wait, "supervisord at \(socket) answered with status \(answer.status)\(remedy)")
        }
        do { return try XMLRPC.value(of: answer.body) } catch let fault as XMLRPC.Fault {
            guard fault.code == FaultCode.shutdown else { throw fault }
            throw StreamsError(.retry, "supervisord at \(socket) is ending or restarting; try again when it runs")
        } catch {
            throw StreamsError(.wait, "supervisord at \(socket): the answer to \(method) is not XML-RPC")
        }
    }

    private func send(_ body: [UInt8], _ answer: HTTPAnswer) throws(CurlError) {
        var transfer = try CurlTransfer(answer: answer)
        try transfer.set(CURLOPT_UNIX_SOCKET_PATH, socket)
        try transfer.set(CURLOPT_URL, "http://localhost/RPC2")
        try transfer.set(CURLOPT_PROTOCOLS_STR, "http")
        // A proxy of the environment has no business with a socket of this host.
        try transfer.set(CURLOPT_PROXY, "")
        try transfer.set(CURLOPT_NOSIGNAL, 1)
        try transfer.set(CURLOPT_TIMEOUT_MS, Int(Self.timeout.milliseconds))
        try transfer.headers.append("Content-Type: text/xml")
        try transfer.headers.append("Expect:")
        try transfer.check(
            unsafe curl_setopt_pointer(transfer.handle, CURLOPT_HTTPHEADER, transfer.headers.list))
        try transfer.set(CURLOPT_POSTFIELDSIZE, body.count)
        let code = unsafe body.withUnsafeBytes { bytes in
            unsafe curl_setopt_pointer(
                transfer.handle, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        }
        try transfer.check(code)
        try transfer.prepareCallbacks()
        try transfer.perform()
    }
}
