import Foundation

/// Makes lines, as the stream has them, of a page that other tools keep: `{"data":[…],"includes":{…}}`.
enum PageLines {
    /// One line for each tweet of the page, with those of its includes that it refers to; nil when it is no page.
    static func split(_ line: UnsafeRawBufferPointer) -> [[UInt8]]? {
        // A page begins with an object; looking for the array first spares parsing lines that have one tweet.
        guard line.count > 10, let root = try? unsafe JSONSerialization.jsonObject(with: Data(line)),
            let page = root as? [String: Any], let tweets = page["data"] as? [[String: Any]]
        else { return nil }
        let includes = page["includes"] as? [String: [[String: Any]]] ?? [:]
        return tweets.compactMap { tweet in
            var made: [String: Any] = ["data": tweet]
            let needed = needed(by: tweet, of: includes)
            if !needed.isEmpty { made["includes"] = needed }
            let data = try? JSONSerialization.data(
                withJSONObject: made, options: [.sortedKeys, .withoutEscapingSlashes])
            return data.map { Array($0) }
        }
    }

    /// The included objects that a tweet, or a tweet it refers to, names by id, media key or user name.
    private static func needed(
        by tweet: [String: Any], of includes: [String: [[String: Any]]]
    ) -> [String: [[String: Any]]] {
        var names = strings(in: tweet)
        let others = (includes["tweets"] ?? []).filter { isNamed($0, by: names) }
        for other in others { names.formUnion(strings(in: other)) }
        var result: [String: [[String: Any]]] = [:]
        for (kind, objects) in includes {
            let found = kind == "tweets" ? others : objects.filter { isNamed($0, by: names) }
            if !found.isEmpty { result[kind] = found }
        }
        return result
    }

    private static func isNamed(_ object: [String: Any], by names: Set<String>) -> Bool {
        ["id", "media_key", "username"].contains { key in (object[key] as? String).map(names.contains) == true }
    }

    private static func strings(in value: Any) -> Set<String> {
        switch value {
        case let text as String: [text]
        case let array as [Any]: array.reduce(into: []) { $0.formUnion(strings(in: $1)) }
        case let object as [String: Any]: object.values.reduce(into: []) { $0.formUnion(strings(in: $1)) }
        default: []
        }
    }
}
