import Glibc

/// What is wrong with a place given by coordinates.
enum RuleAreaCheck {
    private static let kilometresPerMile = 1.609344
    private static let maximalMiles = 25.0
    private static let milesPerDegree = 69.055
    /// Into how many boxes a larger one is cut at most.
    static let maximalBoxes = 1000

    static func pointRadius(_ value: RuleValue) -> RuleValueCheck.Finding? {
        let parts = value.text.split(separator: " ")
        guard value.form == .bracketed, parts.count == 3, let longitude = Double(parts[0]),
            let latitude = Double(parts[1]), let miles = miles(parts[2])
        else {
            return .mistake("'point_radius:' needs [longitude latitude radius], such as [2.35 48.86 16km]")
        }
        if let finding = check(longitudes: [longitude], latitudes: [latitude]) { return finding }
        return miles > maximalMiles ? .doubt("X accepts a radius up to 25mi (40km)") : nil
    }

    static func boundingBox(_ value: RuleValue) -> RuleValueCheck.Finding? {
        let numbers = value.text.split(separator: " ").map { Double($0) }
        guard value.form == .bracketed, numbers.count == 4, let west = numbers[0], let south = numbers[1],
            let east = numbers[2], let north = numbers[3]
        else {
            return .mistake("'bounding_box:' needs [west south east north], such as [2.2 48.8 2.5 48.9]")
        }
        if let finding = check(longitudes: [west, east], latitudes: [south, north]) { return finding }
        guard west < east, south < north else {
            return .mistake("the box must go from west to east and from south to north")
        }
        let width = (east - west) * milesPerDegree * cos((south + north) / 2 * .pi / 180)
        let isLarge = max(width, (north - south) * milesPerDegree) > maximalMiles
        return isLarge ? .doubt("X accepts a box with sides up to 25mi (40km)") : nil
    }

    /// Cuts a box into equal ones whose sides X accepts, row by row from the south-west.
    ///
    /// - Parameter value: one that `boundingBox` finds only too large.
    /// - Returns: the edges of each as X wants them; nil when they would be more than `maximalBoxes`.
    static func boxes(of value: RuleValue) -> [String]? {
        let texts = value.text.split(separator: " ")
        let edges = texts.compactMap { Double($0) }
        guard edges.count == 4 else { return nil }
        let (west, south, east, north) = (edges[0], edges[1], edges[2], edges[3])
        // A degree of longitude is widest where the box is nearest to the equator.
        let nearest = south <= 0 && north >= 0 ? 0 : min(abs(south), abs(north))
        let width = (east - west) * milesPerDegree * cos(nearest * .pi / 180)
        // A little less than the limit: edges are rounded, to 11 m.
        let columns = max(1, (width / (maximalMiles - 0.1)).rounded(.up))
        let rows = max(1, ((north - south) * milesPerDegree / (maximalMiles - 0.1)).rounded(.up))
        guard columns * rows <= Double(maximalBoxes) else { return nil }
        func edge(_ index: Int, of count: Double, from first: Int) -> String {
            if index == 0 { return String(texts[first]) }
            if Double(index) == count { return String(texts[first + 2]) }
            let (low, high) = (edges[first], edges[first + 2])
            return "\(((low + (high - low) * Double(index) / count) * 1e4).rounded() / 1e4)"
        }
        return (0..<Int(rows)).flatMap { row in
            (0..<Int(columns)).map { column in
                [
                    edge(column, of: columns, from: 0), edge(row, of: rows, from: 1),
                    edge(column + 1, of: columns, from: 0), edge(row + 1, of: rows, from: 1),
                ].joined(separator: " ")
            }
        }
    }

    private static func check(longitudes: [Double], latitudes: [Double]) -> RuleValueCheck.Finding? {
        guard longitudes.allSatisfy({ (-180...180).contains($0) }) else {
            return .mistake("a longitude is from -180 to 180, and comes before the latitude")
        }
        return latitudes.allSatisfy { (-90...90).contains($0) } ? nil : .mistake("a latitude is from -90 to 90")
    }

    private static func miles(_ text: Substring) -> Double? {
        let unit = text.suffix(2).lowercased()
        guard let number = Double(text.dropLast(2)), number > 0, number.isFinite else { return nil }
        switch unit {
        case "mi": return number
        // Rounded as X rounds: 40 km count as 25 miles.
        case "km": return number == 40 ? maximalMiles : number / kilometresPerMile
        default: return nil
        }
    }
}
