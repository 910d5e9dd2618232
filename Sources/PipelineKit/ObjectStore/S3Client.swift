import CCurl
import Core
import HTTP

/// Talks to one bucket, one request at a time. Owned by one thread; a raised stop ends a request that is under way.
package struct S3Client: ~Copyable {
    let settings: S3Settings
    package let bucket: String
    private let stop: Stop
    private let multi: CurlMulti
    private var instanceKeys: S3Credentials?
    /// When the first certificate of the server's chain ends, as of the last answer; nil without TLS, and when unknown.
    package private(set) var certificateExpiry: Timestamp?

    /// Answers that are kept whole: a page of a listing has some 500 KB.
    private static let bodyLimit = 4 << 20

    /// - Throws: `S3Error` when libcurl has no memory.
    package init(_ settings: S3Settings, bucket: String, stop: Stop) throws(S3Error) {
        do { multi = try CurlMulti() } catch { throw S3Error(.wait, "\(error)") }
        (self.settings, self.bucket, self.stop) = (settings, bucket, stop)
    }

    /// Runs a request.
    ///
    /// - Parameters:
    ///   - method: of HTTP.
    ///   - key: the object; nil for the bucket itself.
    ///   - query: names and values, not yet encoded.
    ///   - headers: more than the signature's own.
    ///   - body: its bytes and their SHA-256 in hexadecimal digits.
    ///   - stream: takes the body of a 200.
    /// - Returns: the answer, which is a 2xx.
    /// - Throws: `S3Error`.
    mutating func send(
        _ method: String, _ key: String?, query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [], body: (content: RequestBody, sha256: String)? = nil,
        stream: HTTPAnswer.Stream? = nil
    ) throws(S3Error) -> HTTPAnswer {
        var request = S3Request(method: method, url: settings.url(bucket: bucket, key: key))
        (request.query, request.headers, request.body) = (query, headers, body?.content)
        if let sha256 = body?.sha256 { request.payloadSHA256 = sha256 }
        let operation = "\(method) s3://\(bucket)/\(key ?? "")"
        let keys: S3Credentials
        // Whoever renews the keys may be about to write them.
        do { keys = try credentials() } catch { throw S3Error(.wait, "\(operation): \(error)") }
        let (answer, expiry) = try run(request, keys, operation, stream)
        certificateExpiry = expiry ?? certificateExpiry
        if (200...299).contains(answer.status) { return answer }
        let error = S3Error(operation, answer)
        if error.hasExpiredKeys || answer.status == 403 { instanceKeys = nil }
        throw error
    }

    private func run(
        _ request: S3Request, _ keys: S3Credentials?, _ operation: String, _ stream: HTTPAnswer.Stream? = nil,
        timeout: Duration? = nil
    ) throws(S3Error) -> (answer: HTTPAnswer, expiry: Timestamp?) {
        let answer = HTTPAnswer(bodyLimit: Self.bodyLimit, stream: stream)
        let expiry: Timestamp?
        do {
            var transfer = try CurlTransfer(answer: answer)
            try transfer.prepare(
                request, keys: keys, region: settings.region, caFile: settings.caFile,
                timeout: timeout ?? settings.timeout)
            // An answer can come before the whole body has gone, and the connection end with it.
            do { try multi.run(transfer, until: stop) } catch  where answer.status < 300 { throw error } catch {}
            expiry = transfer.certificateExpiry
        } catch { throw S3Error(.wait, "\(operation): \(error)") }
        guard !answer.isBodyCut else {
            throw S3Error(.wait, "\(operation): the answer is longer than \(Self.bodyLimit) bytes")
        }
        return (answer, expiry)
    }

    // MARK: Keys

    /// Keys of an instance are renewed five minutes before they end (Amazon EC2 User Guide, "Retrieve security credentials").
    private static let margin = Duration.seconds(300)

    private mutating func credentials() throws(S3Error) -> S3Credentials {
        switch settings.credentials {
        case .value(let keys): return keys
        case .file(let path, let profile): return try S3CredentialSource.read(path, profile: profile)
        case .instance(let endpoint):
            if let keys = instanceKeys, keys.expires.map({ Timestamp.now().advanced(by: Self.margin) < $0 }) ?? true {
                return keys
            }
            let keys = try askInstance(endpoint)
            instanceKeys = keys
            return keys
        }
    }

    /// Asks the metadata service, version 2: a token for the session, the role's name, its keys.
    private func askInstance(_ endpoint: String) throws(S3Error) -> S3Credentials {
        let seconds = (name: "X-aws-ec2-metadata-token-ttl-seconds", value: "60")
        let token = try ask("PUT", endpoint + "/latest/api/token", [seconds])
        let header = [(name: "X-aws-ec2-metadata-token", value: String(decoding: token, as: UTF8.self))]
        let roles = endpoint + "/latest/meta-data/iam/security-credentials/"
        let role = String(decoding: try ask("GET", roles, header), as: UTF8.self).split(whereSeparator: \.isNewline)
        guard let role = role.first else {
            throw S3Error(.operator(.credentials), "the metadata service of this instance names no role")
        }
        let json = try ask("GET", roles + percentEncoded(String(role)), header)
        return try S3CredentialSource.parse(json: json, from: "the metadata service of this instance")
    }

    private func ask(
        _ method: String, _ url: String, _ headers: [(name: String, value: String)]
    ) throws(S3Error) -> [UInt8] {
        let answer = try run(
            S3Request(method: method, url: url, headers: headers), nil, "\(method) \(url)", timeout: .seconds(2)
        ).answer
        guard answer.status == 200 else {
            throw S3Error(
                .operator(.credentials),
                "the metadata service of this instance answers \(answer.status). Give keys by AWS_ACCESS_KEY_ID or"
                    + " AWS_SHARED_CREDENTIALS_FILE, or the instance a role.")
        }
        return answer.body
    }

    // MARK: Objects

    /// One object of a listing.
    package struct Object: Sendable, Equatable {
        package let key: String
        package let bytes: Int64

        package init(key: String, bytes: Int64) {
            self.key = key
            self.bytes = bytes
        }
    }

    /// All objects whose key begins with `prefix`, in the order of their keys (ListObjectsV2).
    ///
    /// - Throws: `S3Error`.
    package mutating func list(prefix: String) throws(S3Error) -> [Object] {
        var objects: [Object] = []
        var token: String?
        repeat {
            var query = [(name: "list-type", value: "2"), (name: "prefix", value: prefix)]
            if let token { query.append((name: "continuation-token", value: token)) }
            let text = String(decoding: try send("GET", nil, query: query).body, as: UTF8.self)
            for content in S3XML.all("Contents", in: text) {
                guard let key = S3XML.first("Key", in: content),
                    let bytes = S3XML.first("Size", in: content).flatMap({ Int64($0) })
                else { continue }
                objects.append(Object(key: key, bytes: bytes))
            }
            token =
                S3XML.first("IsTruncated", in: text) == "true" ? S3XML.first("NextContinuationToken", in: text) : nil
        } while token != nil
        return objects.sorted { $0.key < $1.key }
    }

    /// Makes the bucket (CreateBucket).
    ///
    /// - Throws: `S3Error`.
    package mutating func makeBucket() throws(S3Error) {
        _ = try send("PUT", nil)
    }

    /// Deletes an object (DeleteObject); one that does not exist is no error.
    ///
    /// - Throws: `S3Error`.
    mutating func delete(_ key: String) throws(S3Error) {
        _ = try send("DELETE", key)
    }

    /// Reads an object to its end; `take` gets its bytes piece by piece, and ends the transfer by returning false.
    ///
    /// - Throws: `S3Error`, also when the body is shorter than it was said to be.
    package mutating func get(_ key: String, _ take: @escaping (UnsafeRawBufferPointer) -> Bool) throws(S3Error) {
        _ = try unsafe send("GET", key, stream: HTTPAnswer.Stream(isJSON: false, begin: {}, take: take))
    }
}
