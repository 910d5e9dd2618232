import Core
import Foundation
import ObjectStore
import TestSupport

/// An S3 server from PyPI, behind an independent check of every signature (scripts/s3-server.py).
///
/// Sendable: the process and its pipe are set up by `init` and then left alone until `deinit`.
package final class S3TestServer: @unchecked Sendable {
    /// The bucket that is there from the beginning.
    package static let bucket = "tweets"

    /// One request that came.
    package struct Request: Decodable, Sendable {
        package let method: String
        package let path: String
        /// What is wrong with its signature; nil when nothing is.
        package let mistake: String?
        /// By lower-case names with `_` in place of `-`.
        package let headers: [String: String]
    }

    /// The server's URL, for requests in path style.
    package let url: String
    private let port: String
    private let process = Process()
    private let input = Pipe()

    /// Starts the server and makes the bucket.
    ///
    /// - Throws: `Failure` when it cannot be started; scripts/python.sh says why on standard error.
    package init() throws {
        let output = Pipe()
        process.executableURL = repository.appending(path: "scripts/python.sh")
        process.arguments = ["s3-server"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { break }
            line += more
        }
        let said = String(decoding: line, as: UTF8.self).split(separator: " ")
        guard said.count == 2 else {
            throw Failure(.unavailable, "scripts/python.sh did not start the S3 server")
        }
        port = said[1].trimmingCharacters(in: .whitespacesAndNewlines)
        url = "http://127.0.0.1:\(port)"
        var client = try S3Client(settings(), bucket: Self.bucket, stop: Stop())
        try client.makeBucket()
    }

    deinit {
        // The server ends with its input.
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// Settings with which the server can be talked to; the session token `ended` is refused as expired.
    package func settings(token: String? = nil) throws -> S3Settings {
        try S3Settings(environment: environment(token: token))
    }

    /// The same as a service's environment.
    package func environment(token: String? = nil) -> [String: String] {
        [
            "AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
            "AWS_SESSION_TOKEN": token ?? "", "ARCHIVE_S3_URL": "s3://\(Self.bucket)/raw",
        ]
    }

    /// The URL for requests in virtual-host style; libcurl takes every name below `localhost` for this machine.
    package var virtualHostURL: String { "http://s3.localhost:\(port)" }

    /// Says what shall go wrong with the next requests, as a list in JSON; see scripts/s3-server.py.
    package func setFaults(_ json: String) throws {
        _ = try ask(["-X", "PUT", "--data-binary", json, url + "/_faults"])
    }

    /// Every request so far.
    package func requests() throws -> [Request] {
        try JSONDecoder().decode([Request].self, from: ask([url + "/_requests"]))
    }

    private func ask(_ arguments: [String]) throws -> Data {
        let curl = Process()
        let output = Pipe()
        curl.executableURL = URL(filePath: "/usr/bin/env")
        curl.arguments = ["curl", "-sf"] + arguments
        curl.standardOutput = output
        try curl.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        curl.waitUntilExit()
        guard curl.terminationStatus == 0 else { throw Failure(.unavailable, "the S3 server does not answer") }
        return data
    }
}

extension S3Settings {
    /// As a service reads them from its environment.
    package init(environment: [String: String]) throws {
        var reader = try SettingsReader(flags: [:], configFile: nil, known: [], environment: environment)
        self.init(&reader)
        try reader.finish()
    }
}
