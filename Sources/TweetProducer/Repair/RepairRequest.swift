import Core

/// What `tweet-producer gaps repair` asks of the producer that owns the journal: a file in the stream's folder.
///
/// The file stays until the work is done, so that who asked can see that it is queued.
package struct RepairRequest: Codable, Equatable, Sendable {
    /// The gaps to fill; none: all that are open.
    package var gaps: [Int64]
    /// Posts that searches may bring.
    package var maxPosts: Int64

    private static func file(in folder: String) -> StateFile<RepairRequest> {
        StateFile("repair-request.json", in: folder)
    }

    package init(gaps: [Int64], maxPosts: Int64) {
        self.gaps = gaps
        self.maxPosts = maxPosts
    }

    /// Leaves the request; one that still waits is replaced.
    ///
    /// - Throws: `FileError` when the folder cannot be written.
    package func leave(in folder: String) throws(FileError) {
        try Self.file(in: folder).write(self)
    }

    /// The request that is queued or worked on; nil when there is none. One that cannot be read is removed.
    package static func waiting(in folder: String) -> RepairRequest? {
        let file = file(in: folder)
        do throws(FileError) { return try file.read() } catch {
            if error.isDamaged { try? file.remove() }
            return nil
        }
    }

    /// Whether the request asks for this gap.
    package func asks(for gap: Int64) -> Bool { gaps.isEmpty || gaps.contains(gap) }

    /// Removes the request when its work is done, unless another one has replaced it.
    func finish(in folder: String) {
        guard Self.waiting(in: folder) == self else { return }
        try? Self.file(in: folder).remove()
    }
}
