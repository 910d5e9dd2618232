import CCurl
import Core
import Digests
import Glibc
import HTTP

/// One request to S3, not yet signed.
struct S3Request {
    var method: String
    /// Percent-encoded, without a query.
    var url: String
    /// Names and values, not yet encoded.
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: RequestBody?
    /// SHA-256 of the body in hexadecimal digits; that of nothing when there is no body.
    var payloadSHA256 = RunningDigest().result.sha256

    /// The query as libcurl 7.88 signs it: as it stands, so sorted here, and with `=` after every name.
    var queryText: String {
        query.map { (percentEncoded($0.name), percentEncoded($0.value)) }.sorted { $0 < $1 }
            .map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    }
}

/// A body that libcurl asks for piece by piece: a part of a file, or bytes. Owned by the thread that runs the transfer.
final class RequestBody {
    let length: Int64
    private let file: JournalFile?
    private let bytes: [UInt8]
    private let start: Int64
    private var position: Int64 = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        file = nil
        start = 0
        length = Int64(bytes.count)
    }

    /// - Throws: `FileError` when the file cannot be opened.
    init(file path: String, range: Range<Int64>) throws(FileError) {
        bytes = []
        file = try JournalFile(reading: path)
        start = range.lowerBound
        length = range.upperBound - range.lowerBound
    }

    /// Goes to a place of the body, because libcurl has to send it again.
    func seek(to offset: Int64) -> Bool {
        guard (0...length).contains(offset) else { return false }
        position = offset
        return true
    }

    /// Fills `buffer` as far as there is something; nil when the file cannot be read or has become shorter.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        let count = Int(min(Int64(buffer.count), length - position))
        guard count > 0 else { return 0 }
        let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        if bytes.isEmpty {
            guard unsafe (try? file?.read(at: start + position, into: piece)) == count else { return nil }
        } else {
            unsafe piece.copyBytes(from: bytes[Int(position)..<Int(position) + count])
        }
        position += Int64(count)
        return count
    }
}

extension CurlTransfer {
    /// Sets every option that a request to S3 needs; libcurl signs it (AWS Signature Version 4). Without keys it goes
    /// unsigned, as to the metadata service.
    ///
    /// - Throws: `CurlError` when libcurl does not take one.
    mutating func prepare(
        _ request: S3Request, keys: S3Credentials?, region: String, caFile: String?, timeout: Duration
    ) throws(CurlError) {
        let query = request.queryText
        try set(CURLOPT_URL, query.isEmpty ? request.url : request.url + "?" + query)
        // The path is signed as it stands, so it must be sent as it stands.
        try set(CURLOPT_PATH_AS_IS, 1)
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_USERAGENT, "tweet-pipeline/\(productVersion)")
        try set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        try set(CURLOPT_NOSIGNAL, 1)
        try set(CURLOPT_CERTINFO, 1)
        try set(CURLOPT_QUICK_EXIT, 1)
        try set(CURLOPT_CONNECTTIMEOUT_MS, Int(min(timeout, .seconds(10)).milliseconds))
        try set(CURLOPT_LOW_SPEED_LIMIT, 1)
        try set(CURLOPT_LOW_SPEED_TIME, max(1, Int(timeout.components.seconds)))
        if let caFile { try trustOnly(caFile) }
        try prepareMethod(request)
        for (name, value) in request.headers { try headers.append("\(name): \(value)") }
        if let keys { try sign(request, keys, region: region) }
        try check(unsafe curl_setopt_pointer(handle, CURLOPT_HTTPHEADER, headers.list))
        try prepareCallbacks()
    }

    private mutating func sign(_ request: S3Request, _ keys: S3Credentials, region: String) throws(CurlError) {
        try set(CURLOPT_AWS_SIGV4, "aws:amz:\(region):s3")
        try set(CURLOPT_USERNAME, keys.accessKey)
        try set(CURLOPT_PASSWORD, keys.secretKey.value)
        try headers.append("x-amz-content-sha256: \(request.payloadSHA256)")
        if let token = keys.sessionToken { try headers.append("x-amz-security-token: \(token.value)") }
    }

    private func prepareMethod(_ request: S3Request) throws(CurlError) {
        switch request.method {
        case "GET": try set(CURLOPT_HTTPGET, 1)
        case "HEAD": try set(CURLOPT_NOBODY, 1)
        case "PUT", "POST":
            let body = request.body
            try set(CURLOPT_UPLOAD, 1)
            try set(CURLOPT_CUSTOMREQUEST, request.method)
            try check(unsafe curl_setopt_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(body?.length ?? 0)))
            try check(unsafe curl_setopt_read(handle, CURLOPT_READFUNCTION, curlBodyWanted))
            try check(unsafe curl_setopt_seek(handle, CURLOPT_SEEKFUNCTION, curlBodySought))
            // The request outlives the transfer: whoever runs it holds it.
            let context = unsafe body.map { unsafe Unmanaged.passUnretained($0).toOpaque() }
            try check(unsafe curl_setopt_pointer(handle, CURLOPT_READDATA, context))
            try check(unsafe curl_setopt_pointer(handle, CURLOPT_SEEKDATA, context))
        default: try set(CURLOPT_CUSTOMREQUEST, request.method)
        }
    }
}

private func curlBodyWanted(
    _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context = unsafe context else { return 0 }
    let body = unsafe Unmanaged<RequestBody>.fromOpaque(context).takeUnretainedValue()
    return unsafe body.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
        ?? Int(CURL_READFUNC_ABORT)
}

private func curlBodySought(_ context: UnsafeMutableRawPointer?, _ offset: curl_off_t, _ origin: Int32) -> Int32 {
    guard let context = unsafe context, origin == SEEK_SET else { return CURL_SEEKFUNC_FAIL }
    let body = unsafe Unmanaged<RequestBody>.fromOpaque(context).takeUnretainedValue()
    return body.seek(to: Int64(offset)) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
}
