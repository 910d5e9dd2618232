import COpenSSL
import CZlib

/// Names and versions of zlib and OpenSSL at run time, for `--version`.
package var digestLibraries: [(name: String, version: String)] {
    [
        ("zlib", unsafe String(cString: zlibVersion())),
        ("OpenSSL", unsafe String(cString: OpenSSL_version(OPENSSL_VERSION_STRING))),
    ]
}
