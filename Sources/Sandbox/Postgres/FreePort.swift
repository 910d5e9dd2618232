import Glibc
internal import PipelineKit

/// A TCP port of 127.0.0.1 that nobody listens on. Another process may take it before it is used: rare, and told by the server.
///
/// - Throws: `Failure` (unavailable).
func freePort() throws(Failure) -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(.unavailable, "\(FileError("socket", "127.0.0.1"))") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            unsafe bind(descriptor, generic, size) == 0 && getsockname(descriptor, generic, &size) == 0
        }
    }
    guard code else { throw Failure(.unavailable, "\(FileError("bind", "127.0.0.1"))") }
    return Int(UInt16(bigEndian: address.sin_port))
}
