internal import CPostgres
import Core
import Glibc

extension PostgresConnection {
    /// What libpq uses for this connection.
    ///
    /// - Parameter names: of options (libpq, "Parameter Key Words").
    /// - Returns: those that have a value.
    func options(_ names: Set<String>) -> [String: String] {
        unsafe Self.options(names, of: handle)
    }

    /// What libpq would use for a connection: of the connection string, else a service file, else `PG*`.
    ///
    /// - Parameters:
    ///   - names: of options.
    ///   - parameters: key words and values with which a connection cannot start, so that nothing is sent.
    /// - Returns: those that have a value.
    static func options(_ names: Set<String>, ofStarting parameters: [(String, String)]) -> [String: String] {
        guard let handle = unsafe try? start(parameters) else { return [:] }
        defer { unsafe PQfinish(handle) }
        return unsafe options(names, of: handle)
    }

    /// libpq, PQconninfo.
    private static func options(_ names: Set<String>, of handle: OpaquePointer) -> [String: String] {
        guard let all = unsafe PQconninfo(handle) else { return [:] }
        defer { unsafe PQconninfoFree(all) }
        var found: [String: String] = [:]
        var option = unsafe all
        while let keyword = unsafe option.pointee.keyword {
            if names.contains(unsafe String(cString: keyword)), let value = unsafe option.pointee.val {
                unsafe found[String(cString: keyword)] = String(cString: value)
            }
            unsafe option += 1
        }
        return found
    }
}

extension PostgresConninfo {
    /// Where libpq looks for a password.
    enum PasswordFile: Equatable {
        /// In no file: it is set.
        case unused
        /// In a file that `passfile` or PGPASSFILE names.
        case named(String)
        /// In `~/.pgpass`, which may not exist.
        case standard(String)
    }

    /// The password file of this connection (libpq, "The Password File").
    var passwordFile: PasswordFile {
        // Two names for one address end the start before libpq looks into the file, and complains about it on standard error.
        let found = PostgresConnection.options(
            ["password", "passfile"], ofStarting: parameters(for: Server(host: "-,-", address: "-", port: "5432")))
        if found["password"]?.isEmpty == false { return .unused }
        if let path = found["passfile"], !path.isEmpty { return .named(path) }
        return .standard("\(Self.home)/.pgpass")
    }

    /// As libpq 15 and newer find it (path.c, pqGetHomeDirectory).
    static var home: String {
        if let home = ProcessEnvironment.current["HOME"], !home.isEmpty { return home }
        return unsafe getpwuid(geteuid())?.pointee.pw_dir.map { unsafe String(cString: $0) } ?? ""
    }

    /// The servers that are connected to by TCP, in order; none for a Unix socket.
    package var tcpServers: [TCPServer] {
        // No file of passwords is read when one is set.
        let found = PostgresConnection.options(
            ["host", "hostaddr", "port"],
            ofStarting: parameters(for: Server()) + [("password", "-"), ("sslmode", "-")])
        func list(_ name: String) -> [String] {
            found[name, default: ""].split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
        }
        let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"))
        return (0..<max(hosts.count, addresses.count)).compactMap { index -> TCPServer? in
            let places = [addresses, hosts].compactMap { index < $0.count ? $0[index] : nil }
            // A path or an abstract name is that of a socket; nothing means the usual socket.
            guard let place = places.first(where: { !$0.isEmpty }), place.first != "/", place.first != "@" else {
                return nil
            }
            let port = ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : ""
            return TCPServer(host: place, port: Int(port.isEmpty ? "5432" : port) ?? 5432)
        }
    }

    /// Finds addresses of the servers that do not accept connections: libpq tries them in turn, and resolves names itself.
    ///
    /// - Returns: nil for a Unix socket.
    package var addressFinding: DoctorFinding? {
        AddressDoctor("postgresql addresses", tcpServers).finding
    }
}
