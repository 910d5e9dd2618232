import CCurl

/// Name and version of libcurl at run time, for `--version`.
package var httpLibrary: (name: String, version: String) {
    ("libcurl", unsafe String(cString: curl_version_info(CURLVERSION_FIRST).pointee.version))
}
