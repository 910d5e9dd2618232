/// The version of this project, as the User-Agent and the started event carry it.
package let productVersion = "0.1.0"

/// What `--version` shows: this project, and the libraries that this process runs with.
///
/// - Parameter libraries: name and version of each C library, as the module that uses it reads it.
/// - Returns: one name and version a line.
package func versionText(_ libraries: [(name: String, version: String)]) -> String {
    let all = libraries + [("Swift", compilerVersion)]
    return ([productVersion] + all.map { "\($0.name) \($0.version)" }).joined(separator: "\n")
}

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
