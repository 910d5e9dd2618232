/// Memory that is filled piece by piece, and stays for as long as anybody keeps the block.
///
/// A piece, once filled, is never written again while the block is kept by more than its filler, so that other threads, and
/// a C library on threads of its own, may read it. Only one thread fills a block.
@safe package final class ByteBlock {
    private let memory: UnsafeMutableRawBufferPointer
    private var filled = 0

    /// - Parameter capacity: bytes that it holds at most.
    package init(capacity: Int) {
        unsafe memory = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// Bytes that it holds at most.
    package var capacity: Int { unsafe memory.count }

    /// Bytes that can still be filled.
    package var room: Int { capacity - filled }

    /// Forgets every piece. Only for who alone keeps the block.
    package func removeAll() {
        filled = 0
    }

    /// Fills the next piece.
    ///
    /// - Parameters:
    ///   - most: how long it may be, at most `room`.
    ///   - body: writes it from the start of the memory it is given, and says how many bytes it has written.
    /// - Returns: where in the block the piece stands.
    /// - Throws: what `body` throws; nothing is filled then.
    package func fill<Failure: Error>(
        atMost most: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> Range<Int> {
        precondition(most <= room, "a piece longer than its block")
        let start = filled
        let count = try unsafe body(UnsafeMutableRawBufferPointer(rebasing: memory[start..<(start + most)]))
        filled += count
        return start..<filled
    }

    /// The bytes at a place; good for as long as the block is kept.
    package subscript(place: Range<Int>) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: memory[place])
    }

    /// Whether an address lies in this block.
    package func contains(_ address: UnsafeRawPointer) -> Bool {
        guard let base = unsafe memory.baseAddress else { return false }
        let distance = unsafe address - UnsafeRawPointer(base)
        return (0..<capacity).contains(distance)
    }
}

/// Blocks that are reused once they have no other owner: fresh memory costs a page fault for every 4 KiB.
///
/// Owned by one thread.
package final class ByteBlockPool {
    private let capacity: Int
    private var blocks: [ByteBlock] = []

    /// Free blocks that stay for the next burst; what is above goes, one at a time.
    private static let mostFree = 8

    /// - Parameter capacity: of the blocks that are used again; larger ones go when they are not needed any more.
    package init(capacity: Int) {
        self.capacity = capacity
    }

    /// Takes back a block, which others may still keep, and returns an empty one that holds at least `size` bytes.
    package func exchange(_ block: ByteBlock, for size: Int) -> ByteBlock {
        if block.capacity == capacity { blocks.append(block) }
        var free = blocks.indices.filter { isKnownUniquelyReferenced(&blocks[$0]) }
        if free.count > Self.mostFree { blocks.remove(at: free.removeLast()) }
        guard size <= capacity, let place = free.last else { return ByteBlock(capacity: max(size, capacity)) }
        let next = blocks.remove(at: place)
        next.removeAll()
        return next
    }
}
