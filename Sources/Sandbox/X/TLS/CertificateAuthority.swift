import Core
import Glibc

/// What is wrong with the simulator's TLS, if anything.
package enum CertificateKind: String, Sendable, Codable, CaseIterable {
    /// For `localhost` and 127.0.0.1, for two days.
    case valid
    /// The same, for 60 days.
    case lasting
    /// The same as `valid`, ended yesterday.
    case expired
    /// For `wrong.example`.
    case wrongName = "wrong-name"
    /// Valid, but the connection is closed in the middle of the handshake.
    case cut
}

/// A certificate authority that lives as long as this object, and what it has signed; made by openssl(1).
package final class CertificateAuthority: Sendable {
    private let folder: SandboxFolder

    /// - Throws: `Failure` when openssl(1) is missing or fails.
    package init() throws(Failure) {
        folder = try SandboxFolder(user: nil)
        try Self.openssl(
            ["req", "-x509", "-days", "2", "-subj", "/CN=Sandbox CA", "-out", caFile]
                + Self.newKey("\(folder.path)/ca.key"))
        for kind in CertificateKind.allCases where kind != .cut { try issue(kind) }
    }

    deinit {
        folder.delete()
    }

    /// The authority's own certificate (PEM), for clients to trust.
    package var caFile: String { "\(folder.path)/ca.pem" }

    /// What it has signed, for servers that read files (PEM).
    package func files(_ kind: CertificateKind) -> (certificate: String, key: String) {
        (certificate(kind), key(kind))
    }

    func certificate(_ kind: CertificateKind) -> String { "\(folder.path)/\(name(kind)).pem" }

    func key(_ kind: CertificateKind) -> String { "\(folder.path)/\(name(kind)).key" }

    private static func days(_ kind: CertificateKind) -> String {
        switch kind {
        case .expired: "-1"
        case .lasting: "60"
        case .valid, .wrongName, .cut: "2"
        }
    }

    private func name(_ kind: CertificateKind) -> String {
        (kind == .cut ? CertificateKind.valid : kind).rawValue
    }

    private func issue(_ kind: CertificateKind) throws(Failure) {
        let names = kind == .wrongName ? "DNS:wrong.example" : "DNS:localhost,IP:127.0.0.1"
        let request = "\(folder.path)/\(name(kind)).csr"
        try Self.openssl(
            ["req", "-new", "-subj", "/CN=sandbox x", "-addext", "subjectAltName=\(names)", "-out", request]
                + Self.newKey(key(kind)))
        try Self.openssl([
            "x509", "-req", "-in", request, "-CA", caFile, "-CAkey", "\(folder.path)/ca.key", "-CAcreateserial",
            "-copy_extensions", "copy", "-days", Self.days(kind), "-out", certificate(kind),
        ])
    }

    private static func newKey(_ path: String) -> [String] {
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]
    }

    private static func openssl(_ arguments: [String]) throws(Failure) {
        let (exit, output) = try ChildProcess.run(ChildCommand("/usr/bin/openssl", arguments))
        guard exit == .status(0) else {
            throw Failure(.unavailable, "openssl \(arguments[0]): \(exit): \(output)")
        }
    }
}
