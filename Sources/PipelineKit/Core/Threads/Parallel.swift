import Synchronization

/// Does the same with each of a few things that block, at once.
///
/// - Parameters:
///   - items: the things; each has a thread of its own.
///   - body: what to do with one.
/// - Returns: the results in the order of the items.
package func onThreads<Item: Sendable, Result: Sendable>(
    _ items: [Item], _ body: @escaping @Sendable (Item) -> Result
) -> [Result] {
    let results = ParallelResults<Result>()
    // An array cannot hold a JoinableThread, so each frame holds its own.
    func start(_ index: Int) {
        guard index < items.count else { return }
        let item = items[index]
        let thread = JoinableThread(name: "parallel") { results.set(index, body(item)) }
        start(index + 1)
        thread.join()
    }
    start(0)
    return results.inOrder
}

/// What the threads have come to.
private final class ParallelResults<Result: Sendable>: Sendable {
    private let results = Mutex<[Int: Result]>([:])

    func set(_ index: Int, _ result: Result) {
        results.withLock { $0[index] = result }
    }

    var inOrder: [Result] {
        results.withLock { results in results.sorted { $0.key < $1.key }.map(\.value) }
    }
}
