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
        var (findings, lost): ([DoctorFinding], [String]) = ([], [])
        let addresses = servers.split(separator: ",").compactMap { text in
            ServerAddress(text.split(separator: "/").last ?? text, needsPort: false)
        }
        for address in addresses {
            let (host, port) = (bare(address.host), Int(address.port ?? 9092))
            do throws(TCPConnectError) {
                findings.append(try server("kafka \(host)", host, port, hasTLS ? .direct : nil, now))
            } catch { lost.append("\(host) port \(port): \(error)") }
        }
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
        if let found = try? server("certificate", host, port, .postgres, now) { findings.append(found) }
        return findings + [file("client certificate", clientCertificate, now)].compactMap { $0 }
    }

    private static func server(
        _ name: String, _ host: String, _ port: Int, _ opening: Certificates.Opening?, _ now: Timestamp
    ) throws(TCPConnectError) -> DoctorFinding {
        guard let opening else {
            close(try TCPConnection.open(host: host, port: port, patience: .seconds(5)))
            return .ok(name, "accepts connections at port \(port)")
        }
        guard let end = try Certificates.end(ofServer: host, port: port, opening) else {
            return .fail(
                name, "port \(port) accepts connections, but not with TLS",
                remedy: "use the port for TLS, or a security.protocol without it")
        }
        return .certificate(name, of: host, ends: end, now: now)
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

    /// An IPv6 address without its brackets.
    private static func bare(_ host: Substring) -> String {
        String(host.hasPrefix("[") ? host.dropFirst().dropLast() : host)
    }
}
