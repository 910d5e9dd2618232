package import Core

/// Where a service answers HTTP requests about itself, and what it asks for.
package struct ListenSettings: Sendable, Equatable {
    /// A name or an address, without brackets.
    package var host: String
    package var port: Int
    /// Whether the user has set the address: then it must be free.
    package var isChosen: Bool
    /// The file of the bearer token that requests need; nil for none.
    package var tokenFile: String?

    package init(host: String, port: Int, isChosen: Bool = true, tokenFile: String? = nil) {
        (self.host, self.port, self.isChosen, self.tokenFile) = (host, port, isChosen, tokenFile)
    }

    /// The settings.
    ///
    /// - Parameter port: of the default address.
    /// - Returns: the address, and the file of the token.
    package static func settings(port: Int) -> (address: Setting, token: Setting) {
        (
            Setting(
                "LISTEN", flag: "listen", .notation("an address such as 127.0.0.1:9464 or [::1]:9464, or off"),
                default: "127.0.0.1:\(port)", value: "address",
                "Address at which the service answers HTTP: `/metrics`, `/livez`, `/readyz`, `/status`; `off`: nowhere"),
            Setting(
                "STATUS_TOKEN_FILE", .file, unset: "no token on the loopback",
                "File with the bearer token that requests need, apart from `/livez` and `/readyz`; must be set when"
                    + " LISTEN is not a loopback address")
        )
    }

    /// Reads the settings; errors are added to the reader's.
    ///
    /// - Parameters:
    ///   - reader: the settings.
    ///   - settings: of the service.
    /// - Returns: nil for `off`.
    package static func read(
        _ reader: inout SettingsReader, _ settings: (address: Setting, token: Setting)
    ) -> ListenSettings? {
        let read = reader.value(settings.address) { text -> ListenSettings?? in
            text == "off" ? .some(nil) : ListenSettings(text).map { $0 }
        }
        guard var found = read ?? nil else { return nil }
        found.isChosen = reader.string(settings.address) != nil
        found.tokenFile = reader.string(settings.token)
        if found.tokenFile == nil, !found.isLoopback {
            reader.addMistake(
                "\(reader.origin(settings.address)): '\(found.host)' can be reached from elsewhere; set"
                    + " \(settings.token.title), or listen on 127.0.0.1")
        }
        if let file = found.tokenFile {
            do { _ = try StatusToken.read(file) } catch {
                reader.addMistake("\(reader.origin(settings.token)): \(error.description)")
            }
        }
        return found
    }

    /// Reads `host:port`; nil for anything else.
    init?(_ text: String) {
        guard let address = ServerAddress(text[...], needsPort: true), let port = address.port else { return nil }
        let isBracketed = address.host.hasPrefix("[")
        self.init(
            host: String(isBracketed ? address.host.dropFirst().dropLast() : address.host), port: Int(port))
    }

    /// Reads `http://host:port`, where a service listens; nil for anything else. Without a port it is 80.
    ///
    /// - Parameters:
    ///   - url: a slash may follow, and nothing else.
    ///   - tokenFile: the file of the bearer token that the service needs; nil for none.
    package init?(url: String, tokenFile: String?) {
        let scheme = "http://"
        guard url.lowercased().hasPrefix(scheme) else { return nil }
        var place = String(url.dropFirst(scheme.count))
        if place.hasSuffix("/") { place.removeLast() }
        guard let address = ServerAddress(place[...], needsPort: false) else { return nil }
        self.init(address.port == nil ? place + ":80" : place)
        self.tokenFile = tokenFile
    }

    /// Whether only this host can reach it.
    package var isLoopback: Bool { Self.isLoopback(host) }

    /// Whether a name or an address, without brackets, is this host and no other.
    package static func isLoopback(_ host: String) -> Bool {
        let name = host.lowercased()
        return name == "localhost" || name == "::1"
            || name.hasPrefix("127.") && name.allSatisfy { "0123456789.".contains($0) }
    }

    /// As it is written in a URL.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
