import Core
import Glibc

/// Finds servers that cannot be connected to, and certificates that end soon.
package enum ServerDoctor {
    /// The servers that a Kafka client begins with.
    ///
    /// - Parameters:
    ///   - servers: `bootstrap.servers`.
    ///   - hasTLS: whether `security.protocol` is one with TLS.
    ///   - clientCertificate: the file of our own certificate; nil for none.
    ///   - now: the time.
    /// - Returns: a failure when none can be connected to, and a warning for each that cannot while others can.
    package static func kafka(
        _ servers: String, hasTLS: Bool, clientCertificate: String?, now: Timestamp
    ) -> [DoctorFinding] {
        let looks = onThreads(addresses(servers)) { address in
            look(at: address, as: "kafka \(address.host)", hasTLS ? .direct : nil, now)
        }
        var findings = looks.compactMap(\.finding)
        let lost = looks.compactMap(\.failure)
        let remedy = "check the address, the name service and firewalls"
        if findings.isEmpty, !lost.isEmpty {
            findings.append(.fail("kafka", lost.joined(separator: "; "), remedy: remedy, .wait))
        } else {
            findings += lost.map { .warning("kafka", $0, remedy: remedy) }
        }
        return findings + [file("kafka certificate", clientCertificate, now)].compactMap { $0 }
    }

    /// How a connection to PostgreSQL is encrypted.
    ///
    /// - Parameters:
    ///   - host: the server's address; empty for a socket of this host.
    ///   - port: its port.
    ///   - version: of TLS; nil without it.
    ///   - mode: `sslmode`.
    ///   - clientCertificate: the file of our own certificate; nil for none.
    ///   - now: the time.
    /// - Returns: what was found.
    package static func postgres(
        host: String, port: Int, version: String?, mode: String, clientCertificate: String?, now: Timestamp
    ) -> [DoctorFinding] {
        let name = "tls"
        guard let version else {
            guard !host.isEmpty, !host.hasPrefix("127."), host != "::1" else {
                return [.ok(name, "not needed: the server is on this host")]
            }
            return [
                .warning(
                    name, "the connection to \(host) is not encrypted", remedy: "sslmode=verify-full and sslrootcert")
            ]
        }
        var findings: [DoctorFinding] = []
        if mode == "verify-full" || mode == "verify-ca" {
            findings.append(.ok(name, "\(version), sslmode=\(mode)"))
        } else {
            findings.append(
                .warning(
                    name, "\(version), but sslmode=\(mode) accepts any server's certificate",
                    remedy: "sslmode=verify-full and sslrootcert"))
        }
        let server = look(at: TCPServer(host: host, port: port), as: "certificate", .postgres, now)
        return findings + [server.finding, file("client certificate", clientCertificate, now)].compactMap { $0 }
    }

    /// What is known of one server.
    struct Look: Sendable {
        /// Nil when it cannot be connected to.
        var finding: DoctorFinding?
        /// Why it cannot; nil when it can.
        var failure: String?
    }

    /// The addresses of `bootstrap.servers`.
    static func addresses(_ servers: String) -> [TCPServer] {
        servers.split(separator: ",").compactMap { text in
            ServerAddress(text.split(separator: "/").last ?? text, needsPort: false)
                .map { TCPServer(host: $0.bareHost, port: Int($0.port ?? 9092)) }
        }
    }

    /// Connects to a server, and looks at its certificate when it has TLS.
    static func look(
        at server: TCPServer, as name: String, _ opening: Certificates.Opening?, _ now: Timestamp,
        withoutTLS remedy: String = "use the port for TLS, or a security.protocol without it"
    ) -> Look {
        let port = server.port
        do throws(TCPConnectError) {
            guard let opening else {
                close(try TCPConnection.open(host: server.host, port: port, patience: .seconds(5)))
                return Look(finding: .ok(name, "accepts connections at port \(port)"))
            }
            guard let end = try Certificates.end(ofServer: server.host, port: port, opening) else {
                return Look(finding: .fail(name, "port \(port) accepts connections, but not with TLS", remedy: remedy))
            }
            return Look(finding: .certificate(name, of: server.host, ends: end, now: now))
        } catch { return Look(failure: "\(server): \(error)") }
    }

    private static func file(_ name: String, _ path: String?, _ now: Timestamp) -> DoctorFinding? {
        guard let path else { return nil }
        do throws(FileError) {
            guard let end = try Certificates.end(inFile: path) else {
                return .fail(name, "\(path) has no certificate", remedy: "a file in PEM")
            }
            return .certificate(name, of: path, ends: end, now: now)
        } catch {
            return .fail(name, "\(error)", remedy: "create the file, and let the service read it")
        }
    }
}
