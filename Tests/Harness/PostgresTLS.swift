import Foundation
import Sandbox

extension PostgresSandbox {
    /// Restarts the server with TLS.
    ///
    /// - Parameter files: what it shows (PEM), and its key.
    /// - Throws: what keeps it from that.
    package func serveTLS(_ files: (certificate: String, key: String)) throws {
        let (data, manager) = (path + "/data", FileManager.default)
        var attributes = try manager.attributesOfItem(atPath: data)
            .filter { [.ownerAccountID, .groupOwnerAccountID].contains($0.key) }
        attributes[.posixPermissions] = 0o600
        for (from, to) in [(files.certificate, data + "/server.crt"), (files.key, data + "/server.key")] {
            try manager.copyItem(atPath: from, toPath: to)
            try manager.setAttributes(attributes, ofItemAtPath: to)
        }
        try query("ALTER SYSTEM SET ssl = on", database: "postgres")
        try restart()
    }
}
