package import Foundation

/// The checkout's folder.
package let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// A folder of recordings, which may lie beside the checkout; nil when it does not.
///
/// - Parameter name: its name in the folder of recordings, such as `data`.
/// - Returns: its address.
package func recordings(_ name: String) -> URL? {
    let folder = repository.appending(path: "../shared/\(name)").standardizedFileURL
    return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
}
