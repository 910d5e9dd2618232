internal import CPostgres

/// Name and version of libpq at run time, for `--version`.
package var postgresLibrary: (name: String, version: String) {
    let version = PQlibVersion()
    return ("libpq", "\(version / 10_000).\(version % 10_000)")
}
