import Core
import Glibc

/// An unused TCP port of 127.0.0.1 that no other process of this project gets as long as this one runs.
///
/// It is none of those that Linux gives to whoever connects or asks for any (ip(7), ip_local_port_range: from 32768 on), so
/// that no connection has it by chance. Between two sandboxes, a look whether it is free is not enough: a server that is
/// stopped for a while, or has not begun to listen, does not hold its port. So the port is reserved by a name that
/// the kernel gives to one socket only, and takes back when the process ends (unix(7), abstract sockets); like ports, names
/// belong to the network namespace.
///
/// - Throws: `Failure` (unavailable).
package func freePort() throws(Failure) -> Int {
    for _ in 0..<1000 {
        let port = Int.random(in: 15_000..<32_000)
        if try reserve(port), try isFree(port) { return port }
    }
    throw Failure(.unavailable, "no TCP port of 127.0.0.1 from 15000 to 31999 is free")
}

/// Reserves a port until this process ends; false when it is in use.
private func reserve(_ port: Int) throws(Failure) -> Bool {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(.unavailable, "\(FileError("socket", "a port's name"))") }
    let name = Array("tweet-pipeline-port-\(port)".utf8)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // The first byte of an abstract name is 0.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { path in
        for (index, byte) in name.enumerated() { unsafe path[index + 1] = byte }
    }
    let size = socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.count)
    let isOurs = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, size) == 0 }
    }
    // The descriptor stays open: closing it would give the port back.
    if !isOurs { close(descriptor) }
    return isOurs
}

private func isFree(_ port: Int) throws(Failure) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
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
