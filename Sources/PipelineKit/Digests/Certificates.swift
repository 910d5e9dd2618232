import COpenSSLTLS
import Core
import Glibc

/// When certificates end. Nothing is verified: the libraries that use them do that.
package enum Certificates {
    /// How a server begins TLS.
    package enum Opening: Sendable {
        /// At once.
        case direct
        /// After PostgreSQL's SSLRequest (its protocol, "SSL Session Encryption").
        case postgres
    }

    /// The end of the first certificate of a file.
    ///
    /// - Parameter path: of a file in PEM.
    /// - Returns: nil when there is no certificate in the file.
    /// - Throws: `FileError` when it cannot be read.
    package static func end(inFile path: String) throws(FileError) -> Timestamp? {
        let bytes = try readWholeFile(path)
        return unsafe bytes.withUnsafeBytes { bytes in
            // It reads in place.
            guard let memory = unsafe BIO_new_mem_buf(bytes.baseAddress, Int32(clamping: bytes.count)) else {
                return nil
            }
            defer { unsafe BIO_free(memory) }
            guard let certificate = unsafe PEM_read_bio_X509(memory, nil, nil, nil) else { return nil }
            defer { unsafe X509_free(certificate) }
            return unsafe end(of: certificate)
        }
    }

    /// The end of the certificate that a server shows.
    ///
    /// - Parameters:
    ///   - host: a name or an address, without brackets.
    ///   - port: the port.
    ///   - opening: how it begins TLS.
    ///   - patience: for each step.
    /// - Returns: nil when it shows none, as a server without TLS.
    /// - Throws: `TCPConnectError` when it cannot be connected to.
    package static func end(
        ofServer host: String, port: Int, _ opening: Opening, patience: Duration = .seconds(5)
    ) throws(TCPConnectError) -> Timestamp? {
        let descriptor = try TCPConnection.open(host: host, port: port, patience: patience)
        defer { close(descriptor) }
        // OpenSSL writes without MSG_NOSIGNAL.
        signal(SIGPIPE, SIG_IGN)
        if opening == .postgres, !acceptsTLS(descriptor) { return nil }
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { return nil }
        defer { unsafe SSL_CTX_free(context) }
        guard let session = unsafe SSL_new(context) else { return nil }
        defer { unsafe SSL_free(session) }
        unsafe SSL_set_fd(session, descriptor)
        // Servers behind one address choose their certificate by the name (SNI).
        _ = unsafe host.withCString { name in
            unsafe SSL_ctrl(
                session, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name),
                UnsafeMutableRawPointer(mutating: name))
        }
        // A server that wants a certificate of ours, too, has shown its own before it says so.
        let isComplete = unsafe SSL_connect(session) == 1
        // PostgreSQL logs a connection that ends without a farewell.
        defer { if isComplete { unsafe SSL_shutdown(session) } }
        guard let certificate = unsafe SSL_get1_peer_certificate(session) else { return nil }
        defer { unsafe X509_free(certificate) }
        return unsafe end(of: certificate)
    }

    /// Sends SSLRequest; the server answers with one byte.
    private static func acceptsTLS(_ descriptor: Int32) -> Bool {
        let request: [UInt8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]
        var answer: UInt8 = 0
        guard unsafe send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count,
            unsafe recv(descriptor, &answer, 1, 0) == 1
        else { return false }
        return answer == UInt8(ascii: "S")
    }

    private static func end(of certificate: OpaquePointer) -> Timestamp? {
        var time = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1 else { return nil }
        return unsafe Timestamp(milliseconds: Int64(timegm(&time)) * 1000)
    }
}
