import CCurl
import Core
import Glibc

/// One HTTP request to X.
package struct HTTPRequest {
    package var url: String
    package var token: Secret
    /// A JSON body makes it a POST, unless `method` says otherwise.
    package var body: [UInt8]?
    /// Another method than GET without and POST with a body.
    package var method: String?
    /// The whole value of the header `Authorization`, in place of the token's; an empty one leaves the header out.
    package var authorization: Secret?
    /// What the body is.
    package var contentType = "application/json"
    /// Further header fields; their values may be credentials.
    package var fields: [(name: String, value: Secret)] = []
    /// The proxy to use in place of that of the environment; an empty text for none.
    package var proxy: String?
    /// `user:password` for the proxy.
    package var proxyCredentials: Secret?
    /// Whether the connection stays open for the next transfer of the same `CurlMulti`.
    package var keepsConnection = false
    package var caFile: String?
    package var connectTimeout: Duration
    /// From the beginning to the end of the body; nil for a stream.
    package var totalTimeout: Duration?

    package init(
        url: String, token: Core.Secret, body: [UInt8]? = nil, method: String? = nil, caFile: String? = nil,
        connectTimeout: Duration, totalTimeout: Duration? = nil
    ) {
        self.url = url
        self.token = token
        self.body = body
        self.method = method
        self.caFile = caFile
        self.connectTimeout = connectTimeout
        self.totalTimeout = totalTimeout
    }
}

/// One libcurl easy handle, prepared for one request; requests to S3 are prepared beside the archive.
@safe
package struct CurlTransfer: ~Copyable {
    package let answer: HTTPAnswer

    package let handle: UnsafeMutableRawPointer
    package var headers = CurlHeaders()
    private let errorText = CurlErrorText()

    /// - Throws: `CurlError` when libcurl has no memory.
    package init(answer: HTTPAnswer) throws(CurlError) {
        guard CurlLibrary.isReady, let created = unsafe curl_easy_init() else { throw CurlError(CURLE_FAILED_INIT) }
        unsafe handle = created
        self.answer = answer
    }

    deinit {
        // First, because libcurl may still write to what the other members own.
        unsafe curl_easy_cleanup(handle)
    }

    /// Sets every option that `request` needs.
    ///
    /// - Throws: `CurlError` when libcurl does not take one, as with a file of certificates it cannot use.
    package mutating func prepare(_ request: HTTPRequest) throws(CurlError) {
        try set(CURLOPT_URL, request.url)
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_USERAGENT, "tweet-pipeline/\(productVersion)")
        try set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        // Asks for no compression, which would delay single lines in buffers, yet decodes it if it comes all the same.
        try set(CURLOPT_ACCEPT_ENCODING, "identity")
        try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        try set(CURLOPT_CERTINFO, 1)
        try set(CURLOPT_CONNECTTIMEOUT_MS, Int(request.connectTimeout.milliseconds))
        if let caFile = request.caFile { try trustOnly(caFile) }
        if let total = request.totalTimeout { try set(CURLOPT_TIMEOUT_MS, Int(total.milliseconds)) }
        try prepareProxy(request)
        try prepareHeaders(request)
        try prepareBody(request)
        try prepareConnection(isKept: request.keepsConnection)
        try prepareCallbacks()
    }

    /// Trusts the certificates of a file and no others, for the server and for a proxy that speaks TLS.
    ///
    /// libcurl looks into its built-in folder as well as into the file, unless the folder is unset (CURLOPT_CAPATH).
    package func trustOnly(_ caFile: String) throws(CurlError) {
        try set(CURLOPT_CAINFO, caFile)
        try check(unsafe curl_setopt_string(handle, CURLOPT_CAPATH, nil))
        try set(CURLOPT_PROXY_CAINFO, caFile)
        try check(unsafe curl_setopt_string(handle, CURLOPT_PROXY_CAPATH, nil))
    }

    /// Runs the transfer to its end on this thread.
    ///
    /// - Throws: `CurlError` when it fails. A body that was cut at its limit is not a failure.
    package func perform() throws(CurlError) {
        let code = unsafe curl_easy_perform(handle)
        if code != CURLE_OK && !answer.isBodyCut { throw error(code) }
    }

    /// The error of this transfer for a code that libcurl gave, with the text it left.
    package func error(_ code: CURLcode) -> CurlError {
        CurlError(code, errorText.text)
    }

    package func withHandle<Result>(_ body: (UnsafeMutableRawPointer) -> Result) -> Result {
        unsafe body(handle)
    }

    private func prepareProxy(_ request: HTTPRequest) throws(CurlError) {
        if let proxy = request.proxy { try set(CURLOPT_PROXY, proxy) }
        if let credentials = request.proxyCredentials { try set(CURLOPT_PROXYUSERPWD, credentials.value) }
    }

    private mutating func prepareHeaders(_ request: HTTPRequest) throws(CurlError) {
        let authorization = request.authorization?.value ?? "Bearer \(request.token.value)"
        if !authorization.isEmpty { try headers.append("Authorization: \(authorization)") }
        if request.body != nil { try headers.append("Content-Type: \(request.contentType)") }
        for (name, value) in request.fields { try headers.append("\(name): \(value.value)") }
        // Without this libcurl waits a second for "100 Continue" before a longer body.
        try headers.append("Expect:")
        try check(unsafe curl_setopt_pointer(handle, CURLOPT_HTTPHEADER, headers.list))
    }

    private func prepareBody(_ request: HTTPRequest) throws(CurlError) {
        if let method = request.method { try set(CURLOPT_CUSTOMREQUEST, method) }
        guard let body = request.body else { return }
        try set(CURLOPT_POSTFIELDSIZE, body.count)
        let code = unsafe body.withUnsafeBytes { bytes in
            unsafe curl_setopt_pointer(
                handle, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        }
        try check(code)
    }

    /// A connection that is found dead by the system when its peer is; unless it is kept, one of its own, closed with the
    /// transfer.
    private func prepareConnection(isKept: Bool) throws(CurlError) {
        if !isKept {
            try set(CURLOPT_FRESH_CONNECT, 1)
            try set(CURLOPT_FORBID_REUSE, 1)
        }
        // X moves its addresses, so every attempt looks them up again.
        try set(CURLOPT_DNS_CACHE_TIMEOUT, 0)
        // A name lookup that hangs must not hold up the end of the transfer.
        try set(CURLOPT_QUICK_EXIT, 1)
        try set(CURLOPT_NOSIGNAL, 1)
        try set(CURLOPT_TCP_KEEPALIVE, 1)
        try set(CURLOPT_TCP_KEEPIDLE, 30)
        try set(CURLOPT_TCP_KEEPINTVL, 10)
        // Larger reads make fewer acknowledgements; the posts of one must stay below the margin of `PostLimits`.
        try set(CURLOPT_BUFFERSIZE, 128 << 10)
    }

    package func prepareCallbacks() throws(CurlError) {
        let context = unsafe Unmanaged.passUnretained(answer).toOpaque()
        try check(unsafe curl_setopt_pointer(handle, CURLOPT_ERRORBUFFER, errorText.buffer))
        try check(unsafe curl_setopt_write(handle, CURLOPT_HEADERFUNCTION, curlHeaderReceived))
        try check(unsafe curl_setopt_pointer(handle, CURLOPT_HEADERDATA, context))
        try check(unsafe curl_setopt_write(handle, CURLOPT_WRITEFUNCTION, curlBodyReceived))
        try check(unsafe curl_setopt_pointer(handle, CURLOPT_WRITEDATA, context))
    }

    package func set(_ option: CURLoption, _ value: Int) throws(CurlError) {
        try check(unsafe curl_setopt_long(handle, option, value))
    }

    package func set(_ option: CURLoption, _ value: String) throws(CurlError) {
        try check(unsafe curl_setopt_string(handle, option, value))
    }

    package func check(_ code: CURLcode) throws(CurlError) {
        if code != CURLE_OK { throw CurlError(code) }
    }
}

/// libcurl's process-wide state, set up by the first who asks.
package enum CurlLibrary {
    package static let isReady: Bool = {
        // libcurl leaves signals alone here (CURLOPT_NOSIGNAL), because it must not touch them beside other threads.
        // So a TLS connection that the peer has closed would end the process on the next write.
        signal(SIGPIPE, SIG_IGN)
        return curl_global_init(Int(CURL_GLOBAL_SSL)) == CURLE_OK
    }()
}

/// The header lines of a request; libcurl reads them in place until its handle is freed.
@safe
package struct CurlHeaders: ~Copyable {
    package private(set) var list: UnsafeMutablePointer<curl_slist>?

    package init() {
        unsafe list = nil
    }

    deinit {
        unsafe curl_slist_free_all(list)
    }

    package mutating func append(_ line: String) throws(CurlError) {
        guard let longer = unsafe curl_slist_append(list, line) else { throw CurlError(CURLE_OUT_OF_MEMORY) }
        unsafe list = longer
    }
}

/// Where libcurl writes what went wrong (CURLOPT_ERRORBUFFER).
@safe
private final class CurlErrorText {
    let buffer: UnsafeMutablePointer<CChar>

    init() {
        unsafe buffer = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe buffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        unsafe buffer.deallocate()
    }

    var text: String { unsafe String(cString: buffer) }
}

private func curlHeaderReceived(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context = unsafe context else { return 0 }
    let answer = unsafe Unmanaged<HTTPAnswer>.fromOpaque(context).takeUnretainedValue()
    unsafe answer.takeHeaderLine(UnsafeRawBufferPointer(start: bytes, count: size * count))
    return size * count
}

private func curlBodyReceived(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context = unsafe context else { return 0 }
    let answer = unsafe Unmanaged<HTTPAnswer>.fromOpaque(context).takeUnretainedValue()
    // Any other number than the one given ends the transfer with CURLE_WRITE_ERROR.
    return unsafe answer.takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : -1
}
