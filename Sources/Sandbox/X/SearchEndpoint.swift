import Core
import Hummingbird
import Synchronization

/// `GET /2/tweets/search/recent` (documentation, "Search Posts"): issued lines, newest first.
final class SearchEndpoint: Sendable {
    private struct State {
        var isLooping = false
        var asked: [String] = []
    }

    private let state = Mutex(State())
    private let feed: Feed
    private let record: StreamRecord

    init(feed: Feed, record: StreamRecord) {
        self.feed = feed
        self.record = record
    }

    /// Whether every page is the first one, with the same `next_token`.
    var isLooping: Bool {
        get { state.withLock { $0.isLooping } }
        set { state.withLock { $0.isLooping = newValue } }
    }

    /// The query strings of all requests, in order, as they came.
    var asked: [String] { state.withLock { $0.asked } }

    func answer(_ request: Request) -> Response {
        state.withLock { $0.asked.append(request.uri.query ?? "") }
        let search: Search
        switch Search.read(request, now: record.clock.now) {
        case .failure(let refusal): return Response(refusal.refusal)
        case .success(let read): search = read
        }
        feed.issueDue(position: feed.issued, wanted: 0)
        let range = range(of: search)
        var found: [Int64] = []
        var next = search.token.map { min($0, range.upperBound) } ?? range.upperBound
        while next > range.lowerBound, found.count < search.size {
            next -= 1
            if matches(search, next) { found.append(next) }
        }
        var token = next > range.lowerBound && (range.lowerBound..<next).contains { matches(search, $0) } ? next : nil
        if isLooping, !found.isEmpty { token = range.upperBound }
        record.state.withLock { $0.searched += found }
        return Response(status: 200, json: page(found, token: token))
    }

    /// Feeds are ordered by time, and so by id as far as ids are of the feed's own making.
    private func range(of search: Search) -> Range<Int64> {
        let low = search.start.map { feed.firstIndex(since: $0) } ?? 0
        let high = search.end.map { feed.firstIndex(since: $0) } ?? feed.issued
        return low..<max(low, high)
    }

    private func matches(_ search: Search, _ index: Int64) -> Bool {
        guard let id = feed.id(of: index) else { return false }
        return id > search.sinceID && id < search.untilID && feed.matches(search.query, line: index)
    }

    private func page(_ found: [Int64], token: Int64?) -> [UInt8] {
        var includes = MergedIncludes()
        let posts = found.compactMap { index -> [UInt8]? in
            let line = JSONScanner(feed.line(index).bytes)
            includes.add(line)
            return line.member("data").map { Array(line.bytes[$0]) }
        }
        let ids = found.compactMap(feed.id)
        var writer = JSONWriter()
        writer.object { answer in
            if !posts.isEmpty {
                answer.key("data")
                answer.array(posts) { $0.raw($1) }
            }
            includes.write(&answer)
            answer.field("meta") { meta in
                if let newest = ids.max() { meta.field("newest_id", String(newest)) }
                if let oldest = ids.min() { meta.field("oldest_id", String(oldest)) }
                meta.field("result_count", literal: posts.count)
                if let token { meta.field("next_token", "b26v89c19zqg8o3f" + String(token, radix: 36)) }
            }
        }
        return writer.bytes
    }
}

/// What a request wants to find.
private struct Search {
    struct Mistake: Error {
        let refusal: Refusal
    }

    var query = ""
    var size = 10
    var sinceID: Int64 = 0
    var untilID = Int64.max
    var start: Timestamp?
    var end: Timestamp?
    var token: Int64?

    static func read(_ request: Request, now: Timestamp) -> Result<Search, Mistake> {
        let values = request.uri.queryParameters
        func wrong(_ name: Substring) -> Result<Search, Mistake> {
            .failure(
                Mistake(
                    refusal: .invalidRequest("The `\(name)` query parameter value [\(values[name] ?? "")] is not valid")
                ))
        }
        var search = Search()
        guard let query = values["query"], (1...4096).contains(query.count) else { return wrong("query") }
        search.query = String(query)
        guard let size = values["max_results"].map({ Int($0) }) ?? 10, (10...100).contains(size) else {
            return wrong("max_results")
        }
        search.size = size
        guard let since = values["since_id"].map({ Int64($0) }) ?? 0 else { return wrong("since_id") }
        guard let until = values["until_id"].map({ Int64($0) }) ?? .max else { return wrong("until_id") }
        (search.sinceID, search.untilID) = (since, until)
        for (name, field) in [("start_time" as Substring, \Search.start), ("end_time", \Search.end)] {
            guard let text = values[name] else { continue }
            guard let moment = Timestamp(text), moment > now.advanced(by: .seconds(-7 * 86_400)) else {
                return wrong(name)
            }
            search[keyPath: field] = moment
        }
        search.token = values["next_token"].flatMap { Int64($0.dropFirst(16), radix: 36) }
        return .success(search)
    }
}

/// The `includes` of several lines in one, each object once.
private struct MergedIncludes {
    private var names: [String] = []
    private var objects: [String: [[UInt8]]] = [:]
    private var seen: Set<[UInt8]> = []

    mutating func add(_ line: JSONScanner) {
        guard let place = line.member("includes") else { return }
        for (name, list) in JSONScanner(Array(line.bytes[place])).members {
            for object in JSONScanner(list).elements where seen.insert(object).inserted {
                if objects[name] == nil { names.append(name) }
                objects[name, default: []].append(object)
            }
        }
    }

    func write(_ answer: inout JSONWriter) {
        guard !names.isEmpty else { return }
        answer.field("includes") { includes in
            for name in names {
                includes.key(name)
                includes.array(objects[name] ?? []) { $0.raw($1) }
            }
        }
    }
}

extension XSimulator {
    /// Whether every page of a search is the first one, with the same `next_token`.
    package var searchLoops: Bool {
        get { search.isLooping }
        set { search.isLooping = newValue }
    }

    /// The query strings of all searches, in order, as they came.
    package var searches: [String] { search.asked }

    func addSearchRoutes(to router: Router<XContext>) {
        router.group("2/tweets/search/recent").add(middleware: XGate(simulator: self, endpoint: "search"))
            .get { [search] request, _ in search.answer(request) }
    }
}
