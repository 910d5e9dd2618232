/// `host`, `host:port` or `[IPv6]:port`.
package struct ServerAddress {
    package let host: Substring
    package let port: UInt16?

    /// The host without the brackets of an IPv6 address, as the resolver wants it.
    package var bareHost: String { String(host.hasPrefix("[") ? host.dropFirst().dropLast() : host) }

    /// Nil when the text is no such thing.
    package init?(_ text: Substring, needsPort: Bool) {
        let isBracketed = text.hasPrefix("[")
        let hostEnd = isBracketed ? text.firstIndex(of: "]").map(text.index(after:)) : text.firstIndex(of: ":")
        guard !isBracketed || hostEnd != nil else { return nil }
        let end = hostEnd ?? text.endIndex
        host = text[..<end]
        let rest = text[end...]
        if rest.isEmpty {
            guard !needsPort else { return nil }
            port = nil
        } else {
            guard rest.first == ":", let number = UInt16(rest.dropFirst()), number > 0 else { return nil }
            port = number
        }
        let inner = isBracketed ? host.dropFirst().dropLast() : host
        let isValid = inner.unicodeScalars.allSatisfy { scalar in
            scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                || "-._".unicodeScalars.contains(scalar)
                || isBracketed && ":%".unicodeScalars.contains(scalar)
        }
        guard isValid, !inner.isEmpty else { return nil }
    }
}
