import Core
import Digests
import FoundationEssentials

/// What uploaded objects are to be like.
package struct S3UploadOptions: Sendable {
    /// Where objects go, below `LOCATION/STREAM/JOURNAL/`.
    package var location: S3Location
    /// Such as `STANDARD_IA`; nil leaves it to the bucket.
    package var storageClass: String?
    /// `AES256`, `aws:kms` or `aws:kms:dsse`; nil leaves it to the bucket.
    package var encryption: String?
    /// The key for `aws:kms`; nil takes the account's own.
    package var kmsKey: String?
    /// Files larger than this go up in parts of this size.
    package var partBytes: Int64 = 16 << 20

    package init(location: S3Location) {
        self.location = location
    }

    /// The headers with which an object is made.
    fileprivate var headers: [(name: String, value: String)] {
        [
            ("x-amz-storage-class", storageClass), ("x-amz-server-side-encryption", encryption),
            ("x-amz-server-side-encryption-aws-kms-key-id", kmsKey),
        ].compactMap { name, value in value.map { (name, $0) } }
    }
}

/// Brings one file of the archive into the bucket, and makes sure that what is there is what is here.
package struct S3Upload {
    package let options: S3UploadOptions

    /// How it was made sure.
    package enum Proof: String, Codable, Sendable {
        /// S3 has reported the SHA-256 of the object.
        case checksum
        /// It was read back, because S3 reports no SHA-256.
        case read
    }

    /// Uploads a file, in parts when it is large.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - digest: what the manifest says it holds; a file that holds something else is not uploaded.
    ///   - key: the object's name.
    ///   - metadata: headers `x-amz-meta-…` that S3 keeps with the object.
    ///   - client: the bucket's.
    /// - Returns: how it was verified that the object holds the same.
    /// - Throws: `S3Error`: `reject` when the file is not what it was, or S3 rejects it; `FileError` when it cannot be read.
    package func run(
        _ path: String, digest: FileDigest, key: String, metadata: [(name: String, value: String)] = [],
        _ client: inout S3Client
    ) throws -> Proof {
        let parts = try digests(path, expected: digest)
        let type = (name: "Content-Type", value: "application/gzip")
        let headers = options.headers + (path.hasSuffix(".gz") ? [type] : []) + metadata
        let checksum: String
        FailPoint.upload.pass()
        if parts.count == 1 {
            let body = try RequestBody(file: path, range: 0..<digest.bytes)
            checksum = try sendWhole((body, digest.sha256), key: key, headers: headers, &client)
        } else {
            checksum = try sendParts(path, parts, key: key, headers: headers, &client)
        }
        FailPoint.upload.pass()
        let proof = try verify(key, digest, checksum: checksum, &client)
        FailPoint.upload.pass()
        return proof
    }

    /// SHA-256 of each part, having made sure that the file is what the manifest says.
    private func digests(_ path: String, expected: FileDigest) throws -> [FileDigest] {
        let file = try JournalFile(reading: path)
        var whole = RunningDigest()
        var parts: [FileDigest] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        repeat {
            var part = RunningDigest()
            while part.bytes < options.partBytes {
                let limit = Int(min(Int64(buffer.count), options.partBytes - part.bytes))
                let count = try unsafe buffer.withMutableBytes { (bytes) throws(FileError) in
                    try unsafe file.read(
                        at: whole.bytes, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<limit]))
                }
                if count == 0 { break }
                Heartbeat.beat()
                unsafe buffer[..<count].withUnsafeBytes { piece in
                    unsafe whole.add(piece)
                    unsafe part.add(piece)
                }
            }
            if part.bytes > 0 || parts.isEmpty { parts.append(part.result) }
        } while whole.bytes < expected.bytes && parts.last?.bytes == options.partBytes
        guard whole.result == expected else {
            throw S3Error(
                .reject,
                "\(path) differs from its entry in the manifest and is not uploaded. Check the file and the disk.")
        }
        return parts
    }

    /// Uploads in one request (PutObject); returns the checksum.
    private func sendWhole(
        _ body: (RequestBody, sha256: String), key: String, headers: [(name: String, value: String)],
        _ client: inout S3Client
    ) throws(S3Error) -> String {
        let checksum = Self.base64(body.sha256)
        _ = try client.send(
            "PUT", key,
            headers: headers + [
                (name: "x-amz-checksum-sha256", value: checksum),
                (name: "x-amz-sdk-checksum-algorithm", value: "SHA256"),
            ], body: body)
        return checksum
    }

    /// Uploads bytes that are no file, with the same options.
    func put(_ bytes: [UInt8], key: String, _ client: inout S3Client) throws(S3Error) {
        let body = (RequestBody(bytes), sha256: Self.digest(bytes).sha256)
        _ = try sendWhole(body, key: key, headers: options.headers, &client)
    }

    /// Compares an object with bytes.
    func verify(_ bytes: [UInt8], key: String, _ client: inout S3Client) throws -> Proof {
        let digest = Self.digest(bytes)
        return try verify(key, digest, checksum: Self.base64(digest.sha256), &client)
    }

    /// Uploads in parts (CreateMultipartUpload, UploadPart, CompleteMultipartUpload); returns the checksum of checksums.
    private func sendParts(
        _ path: String, _ parts: [FileDigest], key: String, headers: [(name: String, value: String)],
        _ client: inout S3Client
    ) throws -> String {
        try abandonOldParts(of: key, &client)
        let created = try client.send(
            "POST", key, query: [("uploads", "")], headers: headers + [("x-amz-checksum-algorithm", "SHA256")])
        guard let id = S3XML.first("UploadId", in: String(decoding: created.body, as: UTF8.self)) else {
            throw S3Error(.wait, "POST s3://\(client.bucket)/\(key)?uploads: the answer has no UploadId")
        }
        var list = ""
        var offset: Int64 = 0
        for (index, part) in parts.enumerated() {
            let body = (try RequestBody(file: path, range: offset..<offset + part.bytes), part.sha256)
            list += try sendPart(index + 1, of: id, key: key, body, &client)
            offset += part.bytes
        }
        try complete(id, key: key, list: list, &client)
        return Self.base64(Self.digest(parts.flatMap { Self.bytes($0.sha256) }).sha256)
    }

    /// Uploads one part; returns its element in the list of parts.
    private func sendPart(
        _ number: Int, of id: String, key: String, _ body: (RequestBody, sha256: String), _ client: inout S3Client
    ) throws -> String {
        let checksum = Self.base64(body.sha256)
        let answer = try client.send(
            "PUT", key, query: [("partNumber", "\(number)"), ("uploadId", id)],
            headers: [("x-amz-checksum-sha256", checksum)], body: body)
        FailPoint.upload.pass()
        let tag = (answer.headers["etag"] ?? "").replacing("\"", with: "&quot;")
        return "<Part><PartNumber>\(number)</PartNumber><ETag>\(tag)</ETag>"
            + "<ChecksumSHA256>\(checksum)</ChecksumSHA256></Part>"
    }

    private func complete(_ id: String, key: String, list: String, _ client: inout S3Client) throws {
        let text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(list)"
        let body = Array((text + "</CompleteMultipartUpload>").utf8)
        let answer = try client.send(
            "POST", key, query: [("uploadId", id)], headers: [("Content-Type", "application/xml")],
            body: (RequestBody(body), Self.digest(body).sha256))
        // A 200 may turn out to be an error when S3 has put the parts together.
        let said = String(decoding: answer.body, as: UTF8.self)
        if let code = S3XML.first("Code", in: said) {
            throw S3Error(.wait, "POST s3://\(client.bucket)/\(key)?uploadId: \(code)")
        }
    }

    /// Parts that a crash has left behind cost money until they are deleted.
    private func abandonOldParts(of key: String, _ client: inout S3Client) throws {
        let answer = try client.send("GET", nil, query: [("uploads", ""), ("prefix", key)])
        for upload in S3XML.all("Upload", in: String(decoding: answer.body, as: UTF8.self)) {
            guard S3XML.first("Key", in: upload) == key, let id = S3XML.first("UploadId", in: upload) else { continue }
            _ = try client.send("DELETE", key, query: [("uploadId", id)])
        }
    }

    /// Compares the object with the file.
    private func verify(
        _ key: String, _ digest: FileDigest, checksum: String, _ client: inout S3Client
    ) throws -> Proof {
        let headers = try client.send("HEAD", key, headers: [("x-amz-checksum-mode", "ENABLED")]).headers
        let object = "s3://\(client.bucket)/\(key)"
        guard headers["content-length"] == "\(digest.bytes)" else {
            throw S3Error(
                .wait, "\(object) has \(headers["content-length"] ?? "no") bytes instead of \(digest.bytes)")
        }
        // Amazon appends the number of parts to a checksum of checksums; not everybody does.
        if let found = headers["x-amz-checksum-sha256"]?.split(separator: "-").first {
            guard found == checksum else { throw S3Error(.wait, "\(object) has a different SHA-256 than the file") }
            return .checksum
        }
        var digestThere = RunningDigest()
        try unsafe client.get(key) { piece in
            unsafe digestThere.add(piece)
            return true
        }
        guard digestThere.result == digest else {
            throw S3Error(.wait, "\(object) differs from the file")
        }
        return .read
    }

    private static func digest(_ bytes: [UInt8]) -> FileDigest {
        var digest = RunningDigest()
        unsafe bytes.withUnsafeBytes { unsafe digest.add($0) }
        return digest.result
    }

    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.utf8.map { $0 < 58 ? $0 - 48 : $0 - 87 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func base64(_ hexadecimal: String) -> String {
        Data(bytes(hexadecimal)).base64EncodedString()
    }

    package init(options: ObjectStore.S3UploadOptions) {
        self.options = options
    }
}
