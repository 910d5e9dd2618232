/// The tweet ids that were stored last: most repetitions of a tweet come soon after it.
///
/// Two generations, so that memory is bounded and forgetting costs nothing.
struct RecentIDs {
    private var young: Set<Int64> = []
    private var old: Set<Int64> = []
    private let capacity: Int

    /// - Parameter capacity: how many ids are remembered at least; at most twice as many.
    init(capacity: Int = 100_000) {
        self.capacity = capacity
    }

    func contains(_ id: Int64) -> Bool {
        young.contains(id) || old.contains(id)
    }

    mutating func insert(_ ids: some Sequence<Int64>) {
        young.formUnion(ids)
        guard young.count >= capacity else { return }
        old = young
        young = Set(minimumCapacity: capacity)
    }
}
