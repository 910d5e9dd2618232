import CCurl
import Core

/// A transfer that libcurl could not do: its code, and its text about this very transfer.
package struct CurlError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The `CURLcode` (curl/curl.h).
    package let code: UInt32
    /// libcurl's text without credentials; it names hosts and system errors, never headers.
    package let description: String

    package init(_ code: CURLcode, _ text: String = "") {
        self.code = code.rawValue
        description = text.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : Redaction.clean(text)
    }

    package init(multi code: CURLMcode) {
        self.code = CURLE_FAILED_INIT.rawValue
        description = unsafe String(cString: curl_multi_strerror(code))
    }

    /// A short stable name for logs and the gap ledger.
    package var cause: String {
        switch CURLcode(rawValue: code) {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: "name_lookup"
        case CURLE_COULDNT_CONNECT: "connect"
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_USE_SSL_FAILED:
            "tls"
        case CURLE_OPERATION_TIMEDOUT: "timeout"
        case CURLE_OK, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE: "closed"
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR: "reset"
        case CURLE_BAD_CONTENT_ENCODING: "encoding"
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL: "not_http"
        default: "curl_\(code)"
        }
    }
}
