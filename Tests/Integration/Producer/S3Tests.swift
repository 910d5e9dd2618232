import Foundation
import Harness
import TestSupport
import Testing

@testable import Core
@testable import Digests
@testable import HTTP
@testable import ObjectStore

/// Requests to S3: signatures as an independent signer makes them, checksums, and what a server may answer instead.
@Suite(.serialized, .ownThreads, .timeLimit(.minutes(4))) struct S3Tests {
    static let server = Result { try S3TestServer() }
    let folder: TemporaryFolder
    let stop = Stop()

    init() throws {
        folder = try TemporaryFolder()
        try Self.server.get().setFaults("[]")
    }

    private func client(_ change: (inout S3Settings) throws -> Void = { _ in }) throws -> S3Client {
        var settings = try Self.server.get().settings()
        settings.timeout = .seconds(60)
        try change(&settings)
        return try S3Client(settings, bucket: S3TestServer.bucket, stop: stop)
    }

    private func file(_ bytes: Int) throws -> (path: String, digest: FileDigest) {
        var random = SplitMix64(seed: UInt64(bytes))
        let content = (0..<bytes / 8).flatMap { _ in
            unsafe withUnsafeBytes(of: random.next()) { unsafe Array($0) }
        }
        let path = folder.path + "/file.jsonl.gz"
        try Data(content).write(to: URL(filePath: path))
        return (path, try FileDigest(ofFile: path))
    }

    private func upload(
        _ bytes: Int = 800, key: String, _ client: inout S3Client,
        _ change: (inout S3UploadOptions) -> Void = { _ in }
    ) throws -> S3Upload.Proof {
        var options = S3UploadOptions(location: try #require(S3Location("s3://\(S3TestServer.bucket)")))
        change(&options)
        let file = try file(bytes)
        return try S3Upload(options: options).run(file.path, digest: file.digest, key: key, &client)
    }

    private func content(_ key: String, _ client: inout S3Client) throws -> FileDigest {
        var digest = RunningDigest()
        try unsafe client.get(key) { piece in
            unsafe digest.add(piece)
            return true
        }
        return digest.result
    }

    /// The requests for a key, whose signatures the server has found right.
    private func requests(_ key: String) throws -> [S3TestServer.Request] {
        let found = try Self.server.get().requests().filter { $0.path.contains(key) }
        #expect(found.map(\.mistake) == found.map { _ in nil })
        return found
    }

    // MARK: Good days

    @Test(arguments: ["plain", "with space", "grüße/ü~(1)!*'", "a+b&c=d%20e", "dots/../and//slashes"])
    func everyKeyIsSignedAsAnIndependentSignerDoes(key: String) throws {
        var client = try client()
        #expect(try upload(key: "k/" + key, &client) == .checksum)
        #expect(try content("k/" + key, &client) == (try file(800)).digest)
        #expect(try client.list(prefix: "k/" + key).map(\.bytes) == [800])
        _ = try requests("k/")
    }

    @Test func largeFilesGoUpInPartsAndLeftoversAreAbandoned() throws {
        var client = try client()
        // What a crash would have left behind.
        _ = try client.send("POST", "large", query: [("uploads", "")])
        let proof = try upload(11 << 20, key: "large", &client) { $0.partBytes = 5 << 20 }
        #expect(proof == .checksum)
        #expect(try content("large", &client) == (try file(11 << 20)).digest)
        let requests = try requests("large")
        #expect(requests.count { $0.method == "PUT" && $0.path.contains("partNumber=") } == 3)
        #expect(requests.count { $0.method == "DELETE" } == 1)
        let left = try client.send("GET", nil, query: [("uploads", "")])
        #expect(!String(decoding: left.body, as: UTF8.self).contains("<UploadId>"))
    }

    @Test func classAndEncryptionAreAskedFor() throws {
        var client = try client()
        _ = try upload(key: "classes", &client) {
            $0.storageClass = "STANDARD_IA"
            $0.encryption = "aws:kms"
        }
        let put = try #require(try requests("classes").first { $0.method == "PUT" })
        #expect(put.headers["x_amz_storage_class"] == "STANDARD_IA")
        #expect(put.headers["x_amz_server_side_encryption"] == "aws:kms")
        let head = try client.send("HEAD", "classes").headers
        #expect(head["x-amz-storage-class"] == "STANDARD_IA")
    }

    @Test func aKeyForEncryptionIsSignedWhereLibcurlCan() throws {
        var client = try client()
        let isRight: Bool
        do {
            _ = try upload(key: "kms", &client) {
                $0.encryption = "aws:kms"
                $0.kmsKey = "1234abcd-12ab-34cd-56ef-1234567890ab"
            }
            isRight = true
        } catch let error as S3Error {
            #expect(error.status == 403)
            isRight = false
        }
        #expect(isRight == S3Settings.signsKMSKeys, "the setting S3_KMS_KEY is refused exactly where it would fail")
    }

    @Test func bucketsStandInTheHostNameToo() throws {
        let server = try Self.server.get()
        var client = try client { settings in
            settings.style = .virtualHost
            settings.endpoint = server.virtualHostURL
        }
        #expect(try upload(key: "virtual", &client) == .checksum)
        let put = try #require(try requests("/virtual").first)
        #expect(put.headers["host"]?.hasPrefix("tweets.s3.localhost:") == true)
        #expect(put.path == "/virtual")
    }

    @Test func listingsComeInPages() throws {
        let pages = try ScriptedServer { connection in
            let isFirst = !connection.head.contains("continuation-token=a%2Fb%3D")
            let rest = isFirst ? "<NextContinuationToken>a/b=</NextContinuationToken>" : ""
            connection.answer(
                200,
                "<ListBucketResult><IsTruncated>\(isFirst)</IsTruncated>\(rest)<Contents>"
                    + "<Key>x&amp;y\(isFirst ? 2 : 1)</Key><Size>7</Size></Contents></ListBucketResult>",
                type: "application/xml")
        }
        defer { pages.close() }
        var client = try client { $0.endpoint = pages.url }
        #expect(try client.list(prefix: "x").map(\.key) == ["x&y1", "x&y2"])
    }

    // MARK: Keys

    @Test func keysFromAFileAreReadAgainWhenTheyHaveEnded() throws {
        let path = folder.path + "/credentials"
        let keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key=wJalrXUtnFEMI\n"
        try folder.write(
            "[other]\naws_access_key_id=x\n# c\n[ tweets ]\n\(keys)aws_session_token=ended\n", to: "credentials")
        var client = try client { $0.credentials = .file(path: path, profile: "tweets") }
        let error = try #require(throws: S3Error.self) { try client.list(prefix: "") }
        #expect(error.hasExpiredKeys && error.disposition == .wait)
        #expect(!"\(error)".contains("wJalrXUtnFEMI"))
        try folder.write("[tweets]\n\(keys)aws_session_token=\(String(repeating: "t", count: 1500))", to: "credentials")
        _ = try client.list(prefix: "")
        try folder.write(
            #"{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"wJalrXUtnFEMI"}"#, to: "credentials")
        _ = try client.list(prefix: "")
    }

    @Test func keysComeFromTheInstanceAndAreRenewedBeforeTheyEnd() throws {
        let service = try ScriptedServer { connection in
            let token = connection.header("X-aws-ec2-metadata-token")
            switch connection.head.split(separator: " ").prefix(2).joined(separator: " ") {
            case "PUT /latest/api/token": connection.answer(200, "session", type: "text/plain")
            case "GET /latest/meta-data/iam/security-credentials/" where token == "session":
                connection.answer(200, "a-role\n", type: "text/plain")
            case "GET /latest/meta-data/iam/security-credentials/a-role" where token == "session":
                let ends = Timestamp.now().advanced(by: .seconds(connection.index < 3 ? 200 : 3600))
                connection.answer(
                    200,
                    #"{"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"wJalrXUtnFEMI","Token":"t","Expiration":"\#(ends)"}"#
                )
            default: connection.answer(401, "")
            }
        }
        defer { service.close() }
        var client = try client { $0.credentials = .instance(service.url) }
        for _ in 0..<3 { _ = try client.list(prefix: "") }
        #expect(service.requests.count == 6, "the first keys end too soon, the second ones are kept")
    }

    @Test func keysAreLookedForInTheEnvironmentAFileAndTheInstance() throws {
        func chosen(_ environment: [String: String]) throws -> S3CredentialSource {
            try S3Settings(environment: environment).credentials
        }
        try folder.write("[default]\naws_access_key_id=a\naws_secret_access_key=b\n", to: "c")
        let file = ["AWS_SHARED_CREDENTIALS_FILE": folder.path + "/c"]
        let value = ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"]
        if case .value = try chosen(file.merging(value) { $1 }) {} else { Issue.record("the environment comes first") }
        if case .file = try chosen(file) {} else { Issue.record("then the file") }
        for broken in [["AWS_ACCESS_KEY_ID": "a"], file.merging(["AWS_PROFILE": "none"]) { $1 }] {
            let failure = try #require(throws: SettingsError.self) { try chosen(broken) }
            #expect(failure.disposition == .operator(.settings))
        }
    }

    // MARK: Bad days

    private func failing(
        _ fault: String, timeout: Duration = .seconds(60), _ body: (S3Error) -> Void = { _ in }
    ) throws {
        var client = try client { $0.timeout = timeout }
        try Self.server.get().setFaults("[\(fault)]")
        let error = try #require(throws: S3Error.self, "\(fault)") { try upload(key: "bad", &client) }
        body(error)
        try Self.server.get().setFaults("[]")
        client = try self.client()
        _ = try upload(key: "bad", &client)
    }

    @Test func busyAndBrokenServersAreToldFromRefusedObjects() throws {
        try failing(#"{"method":"PUT","status":"503 Slow Down"}"#) {
            #expect($0.disposition == .wait)
            #expect("\($0)".contains("503 SlowDown: Reduce your rate."))
        }
        try failing(#"{"method":"PUT","early":"413 Payload Too Large"}"#) {
            #expect($0.disposition == .reject)
            #expect("\($0)".contains("S3_PART_BYTES"))
        }
        try failing(
            #"{"method":"PUT","status":"301 Moved","headers":{"Location":"/tweets/bad","x-amz-bucket-region":"eu-west-1"}}"#
        ) {
            #expect($0.disposition == .wait)
            #expect("\($0)".contains("eu-west-1"))
        }
        try failing(#"{"method":"HEAD","status":"500 Oops"}"#)
        try failing(#"{"method":"PUT","delay":9}"#, timeout: .seconds(2)) { #expect($0.status == nil) }
    }

    @Test func whatIsStoredOtherwiseIsNotTakenForUploaded() throws {
        // The store keeps other bytes than it was given: once it says so by its checksum, once it has to be read back.
        try failing(#"{"method":"PUT","damage":true},{"method":"HEAD","hide":"x-amz-checksum-sha256"}"#) {
            #expect("\($0)".contains("differs from the file"))
        }
        let server = try Self.server.get()
        var client = try client()
        try server.setFaults(#"[{"method":"HEAD","hide":"x-amz-checksum-sha256"}]"#)
        #expect(try upload(key: "read", &client) == .read)
        #expect(try requests("read").map(\.method) == ["PUT", "HEAD", "GET"])
    }

    @Test func aFileThatHasChangedIsNotUploaded() throws {
        let file = try file(800)
        var client = try client()
        let other = FileDigest(bytes: file.digest.bytes, sha256: String(repeating: "0", count: 64))
        let options = S3UploadOptions(location: try #require(S3Location("s3://tweets")))
        let failure = try #require(throws: S3Error.self) {
            try S3Upload(options: options).run(file.path, digest: other, key: "changed", &client)
        }
        #expect(failure.disposition == .reject)
        #expect(try requests("changed").isEmpty)
    }

    @Test func aRaisedStopEndsARequestAtOnce() throws {
        let silent = try ScriptedServer { $0.waitForPeer() }
        defer { silent.close() }
        var client = try client { settings in
            settings.endpoint = silent.url
            settings.timeout = .seconds(300)
        }
        let stop = stop
        let thread = JoinableThread(name: "stop") {
            _ = silent.waitForRequests(1)
            stop.raise()
        }
        let begin = ContinuousClock.now
        #expect(throws: S3Error.self) { try client.list(prefix: "") }
        thread.join()
        #expect(begin.duration(to: .now) < .seconds(90))
    }

    @Test func anErrorHasNoSecretAndSaysHowLongToWait() {
        Redaction.remember("hunter2-canary")
        let answer = HTTPAnswer(bodyLimit: 1000)
        for line in ["HTTP/1.1 503 Slow Down", "Retry-After: 7", ""] {
            unsafe Array((line + "\r\n").utf8).withUnsafeBytes { unsafe answer.takeHeaderLine($0) }
        }
        let body = "<Error><Code>SlowDown</Code><Message>key hunter2-canary at https://u:p@host/ now</Message></Error>"
        _ = unsafe Array(body.utf8).withUnsafeBytes { unsafe answer.takeBody($0) }
        let error = S3Error("PUT x", answer)
        #expect(error.disposition == .wait && error.retryAfter == .seconds(7))
        #expect(error.description.contains("SlowDown: key *** at") && !error.description.contains("u:p"), "\(error)")
    }
}
