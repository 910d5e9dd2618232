import CCurl
import COpenSSL
internal import CPostgres
import CRdKafka
import CSimdJSON
import CZlib

/// The version of this project, as the User-Agent and the started event carry it.
package let productVersion = "0.1.0"

/// What `--version` shows: this project, and the libraries that this process runs with.
package let versionText: String = {
    let pq = PQlibVersion()
    let libraries = [
        ("librdkafka", unsafe String(cString: rd_kafka_version_str())),
        ("libcurl", unsafe String(cString: curl_version_info(CURLVERSION_FIRST).pointee.version)),
        ("libpq", "\(pq / 10_000).\(pq % 10_000)"),
        ("simdjson", unsafe String(cString: simdjson_version_text())),
        ("zlib", unsafe String(cString: zlibVersion())),
        ("OpenSSL", unsafe String(cString: OpenSSL_version(OPENSSL_VERSION_STRING))),
        ("Swift", compilerVersion),
    ]
    return ([productVersion] + libraries.map { "\($0) \($1)" }).joined(separator: "\n")
}()

/// The compiler's version as far as a program can know it.
private var compilerVersion: String {
    #if compiler(>=6.4)
        "6.4 or newer"
    #elseif compiler(>=6.3)
        "6.3"
    #else
        "6.2"
    #endif
}
