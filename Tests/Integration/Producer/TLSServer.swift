import Foundation
import Sandbox
import TestSupport
import Testing

/// `openssl s_server -www` with a certificate of its own, for what X's certificate could be wrong about.
final class TLSServer {
    let port: UInt16
    /// The certificate, to be trusted or not.
    let certificate: String

    private let folder: TemporaryFolder
    private let process = Process()

    /// - Parameter name: what the certificate is for, such as `DNS:localhost`.
    /// - Throws: when openssl cannot be run.
    init(name: String) throws {
        folder = try TemporaryFolder()
        certificate = folder.path + "/certificate.pem"
        let key = folder.path + "/key.pem"
        let making = try Self.openssl([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
            "subjectAltName=\(name)", "-keyout", key, "-out", certificate,
        ])
        making.waitUntilExit()
        try #require(making.terminationStatus == 0, "openssl req failed")
        // s_server cannot say which port it chose.
        port = UInt16(try freePort())
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = ["s_server", "-accept", "\(port)", "-cert", certificate, "-key", key, "-www", "-quiet"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    deinit {
        // Children of a Dispatch thread inherit its mask, which blocks SIGTERM.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    private static func openssl(_ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }
}
