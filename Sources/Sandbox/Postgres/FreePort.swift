import Glibc
package import PipelineKit

/// A TCP port of 127.0.0.1 that nobody listens on.
///
/// It is none of those that Linux gives to whoever connects or asks for any (ip(7), ip_local_port_range: from 32768 on),
/// so that nobody gets it by chance before the server is there, or while the server is away for a while.
///
/// - Throws: `Failure` (unavailable).
package func freePort() throws(Failure) -> Int {
    for _ in 0..<100 {
        let port = Int.random(in: 15_000..<32_000)
        if try isFree(port) { return port }
    }
    throw Failure(.unavailable, "no TCP port of 127.0.0.1 from 15000 to 31999 is free")
}

private func isFree(_ port: Int) throws(Failure) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(.unavailable, "\(FileError("socket", "127.0.0.1"))") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            unsafe bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
