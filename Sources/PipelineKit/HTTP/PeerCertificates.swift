import CCurl
import Core

extension CurlTransfer {
    /// When the first of the server's certificates ends, those of its chain included; nil without TLS, and when unknown.
    ///
    /// Needs `CURLOPT_CERTINFO`; valid once the header of the answer has come.
    package var certificateExpiry: Timestamp? {
        guard let found = unsafe curl_getinfo_certificates(handle)?.pointee else { return nil }
        var first: Timestamp?
        let count = unsafe Int(found.num_of_certs)
        for number in 0..<max(0, count) {
            var line = unsafe found.certinfo?[number]
            while let content = unsafe line?.pointee {
                let text = unsafe content.data.map { unsafe String(cString: $0) } ?? ""
                if let moment = CertificateTime.expiry(in: text) { first = min(first ?? moment, moment) }
                unsafe line = content.next
            }
        }
        return first
    }
}

/// The times of certificates as OpenSSL prints them (ASN1_TIME_print(3)): `Nov  9 17:00:00 2027 GMT`.
enum CertificateTime {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// The time in a line `Expire date:…`; nil for every other line.
    static func expiry(in line: String) -> Timestamp? {
        let name = "Expire date:"
        guard line.hasPrefix(name) else { return nil }
        let parts = line.dropFirst(name.count).split(separator: " ")
        guard parts.count >= 4, let month = months.firstIndex(of: String(parts[0])), let day = Int(parts[1]) else {
            return nil
        }
        // A fraction of a second matters to nobody.
        let clock = parts[2].prefix(8)
        return Timestamp("\(parts[3])-\(twoDigits(month + 1))-\(twoDigits(day))T\(clock)Z")
    }

    private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

extension CurlTransfer {
    /// Connects to the server of a request, over its proxy and with TLS as the request would, and sends nothing.
    ///
    /// - Parameter request: of which the URL, the proxy and the certificates count.
    /// - Returns: when the first of the server's certificates ends; nil without TLS.
    /// - Throws: `CurlError` when it cannot be connected to, or is not trusted.
    package static func connect(_ request: HTTPRequest) throws(CurlError) -> Timestamp? {
        var transfer = try CurlTransfer(answer: HTTPAnswer(bodyLimit: 0))
        try transfer.prepare(request)
        try transfer.set(CURLOPT_CONNECT_ONLY, 1)
        try transfer.perform()
        return transfer.certificateExpiry
    }
}
