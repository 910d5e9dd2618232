import CSimdJSON

/// Name and version of simdjson at run time, for `--version`.
package var jsonLibrary: (name: String, version: String) {
    ("simdjson", unsafe String(cString: simdjson_version_text()))
}
