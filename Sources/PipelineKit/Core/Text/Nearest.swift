/// The candidate that `text` was probably meant to be; nil when none is near: at most a third of the letters may differ.
package func nearest(_ text: String, among candidates: some Sequence<String>) -> String? {
    let distances = candidates.map { (name: $0, distance: editDistance(Array(text.utf8), Array($0.utf8))) }
    let best = distances.min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let best, best.distance <= max(1, min(3, text.utf8.count / 3)) else { return nil }
    return best.name
}

/// Letters to insert, remove, replace or swap (Damerau, optimal string alignment).
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    guard left.count <= 64 else { return left.count }
    var rows = [Array(0...right.count)]
    for i in 0..<left.count {
        var row = [i + 1]
        for j in 0..<right.count {
            var cost = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (left[i] == right[j] ? 0 : 1))
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                cost = min(cost, rows[i - 1][j - 1] + 1)
            }
            row.append(cost)
        }
        rows.append(row)
    }
    return rows[left.count][right.count]
}
