import Glibc

/// Writes a text to standard error with one `write(2)`; nothing can be done when that fails.
package func writeToStandardError(_ text: String) {
    let bytes = Array(text.utf8)
    unsafe bytes.withUnsafeBytes { buffer in
        _ = unsafe write(STDERR_FILENO, buffer.baseAddress, buffer.count)
    }
}
