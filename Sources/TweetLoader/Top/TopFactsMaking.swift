import Core
import Operations

/// What was last heard of everybody.
struct TopLooks: Sendable {
    var producers: [ServiceLook] = []
    var loaders: [ServiceLook] = []
    /// Nil when PostgreSQL is not asked.
    var database: (place: String, look: Result<DatabaseLook, any Error>)?

    /// What PostgreSQL knows; nil when it does not answer.
    var known: DatabaseLook? { database.flatMap { try? $0.look.get() } }
}

/// Makes facts of looks, and keeps the counters of which rates are made.
struct TopMemory: Sendable {
    private var book = RateBook()

    /// Takes over what was heard, and says what is known now.
    ///
    /// - Parameters:
    ///   - looks: the last one at each source.
    ///   - now: the time.
    /// - Returns: the facts: of a service those of its `/status`, or what PostgreSQL knows when no such service answers.
    mutating func facts(_ looks: TopLooks, at now: Timestamp) -> TopFacts {
        let producers = looks.producers.filter { $0.status != nil }
        let loaders = looks.loaders.filter { $0.status != nil }
        var facts = TopFacts(at: now)
        facts.sources = looks.producers.map(\.source) + looks.loaders.map(\.source) + Self.source(looks.database)
        facts.problems = (producers + loaders).flatMap(\.problems).sorted { $0.status > $1.status }
        if producers.isEmpty {
            facts.add(heartbeats: looks.known, &book, now)
        } else {
            facts.add(producers: producers, &book, now)
        }
        if loaders.isEmpty {
            if let known = looks.known { facts.add(loading: known, &book, now) }
        } else {
            facts.add(loaders: loaders, &book, now)
        }
        // A service counts from its start.
        if let known = looks.known { facts.loading?.rejects = known.rejects }
        facts.gaps = looks.known?.gaps ?? producers.flatMap(Self.gaps)
        book.forget(at: now.milliseconds)
        return facts
    }

    private static func source(_ database: (place: String, look: Result<DatabaseLook, any Error>)?) -> [TopFacts.Source]
    {
        guard let database else { return [] }
        var source = TopFacts.Source(service: "PostgreSQL", place: database.place, answers: true)
        if case .failure(let error) = database.look { (source.answers, source.problem) = (false, "\(error)") }
        return [source]
    }

    /// What a producer knows of its gaps: how many there are of each kind.
    private static func gaps(_ look: ServiceLook) -> [TopFacts.Gap] {
        look.series("gaps_open").filter { ($0.value ?? 0) > 0 }.map { series in
            TopFacts.Gap(stream: look.place, next: series.labels["next"], count: Int(min(series.value ?? 0, 1e9)))
        }
    }
}

extension TopFacts {
    private static let minute: Int64 = 60_000
    private static let second: Int64 = 1000

    // MARK: From the services

    fileprivate mutating func add(producers looks: [ServiceLook], _ book: inout RateBook, _ now: Timestamp) {
        for look in looks {
            let counter = "\(look.place) posts"
            book.add(counter, look.value("x_posts_total"), at: look.at.milliseconds)
            var producer = Producer(look)
            producer.postsPerSecond = book[counter].perSecond(over: Self.second, at: now.milliseconds)
            producer.postsPerSecondOfMinute = book[counter].perSecond(over: Self.minute, at: now.milliseconds)
            producers.append(producer)
            rules += look.series("rule_posts_total").compactMap { series in
                rule(series, of: look, &book, now)
            }
        }
        rules.sort { ($0.postsPerSecond ?? -1, $0.posts, $1.tag) > ($1.postsPerSecond ?? -1, $1.posts, $0.tag) }
        postsSparkline = sparkline(looks.map { "\($0.place) posts" }, book, now)
    }

    private func rule(
        _ series: MetricReading, of look: ServiceLook, _ book: inout RateBook, _ now: Timestamp
    ) -> Rule? {
        guard let tag = series.labels["tag"], let posts = series.value else { return nil }
        let counter = "\(look.place) rule \(tag)"
        book.add(counter, posts, at: look.at.milliseconds)
        let last = look.series("rule_last_post_timestamp_seconds").first { $0.labels["tag"] == tag }?.value
        return Rule(
            tag: tag, postsPerSecond: book[counter].perSecond(over: Self.minute, at: now.milliseconds), posts: posts,
            secondsSincePost: last.flatMap { look.age(of: $0) })
    }

    fileprivate mutating func add(loaders looks: [ServiceLook], _ book: inout RateBook, _ now: Timestamp) {
        for look in looks {
            book.add("\(look.place) settled", look.sum("settled_messages_total"), at: look.at.milliseconds)
            for series in look.series("partition_next_offset") {
                book.add(Self.name(series), series.value.flatMap { $0 < 0 ? nil : $0 }, at: look.at.milliseconds)
            }
            partitions += look.series("partition_next_offset").compactMap { series in
                partition(series, of: look, book, now)
            }
        }
        partitions.sort { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
        let rates = looks.map { book["\($0.place) settled"] }
        loading = Loading(looks)
        loading?.messagesPerSecond = Self.sum(rates.map { $0.perSecond(over: Self.second, at: now.milliseconds) })
        loading?.messagesPerSecondOfMinute = Self.sum(
            rates.map { $0.perSecond(over: Self.minute, at: now.milliseconds) })
        loadSparkline = sparkline(looks.map { "\($0.place) settled" }, book, now)
    }

    private func partition(
        _ series: MetricReading, of look: ServiceLook, _ book: RateBook, _ now: Timestamp
    ) -> Partition? {
        guard let topic = series.labels["topic"], let number = series.labels["partition"].flatMap({ Int($0) }) else {
            return nil
        }
        func value(_ name: String) -> Double? { look.series(name).first { $0.labels == series.labels }?.value }
        var partition = Partition(topic: topic, partition: number)
        partition.lag = value("partition_lag_messages")
        partition.secondsUnsettled = value("partition_oldest_unsettled_timestamp_seconds").map { look.age(of: $0) ?? 0 }
        partition.add(book[Self.name(series)], now)
        return partition
    }

    private static func name(_ series: MetricReading) -> String {
        "\(series.labels["topic"] ?? "")-\(series.labels["partition"] ?? "")"
    }

    // MARK: From PostgreSQL

    fileprivate mutating func add(heartbeats look: DatabaseLook?, _ book: inout RateBook, _ now: Timestamp) {
        guard let look else { return }
        for heartbeat in look.heartbeats {
            let counter = "\(heartbeat.stream)/\(heartbeat.journal) posts"
            book.add(counter, heartbeat.postsToday, at: look.at.milliseconds - Int64(heartbeat.age * 1000))
            var producer = Producer(heartbeat)
            producer.postsPerSecond = book[counter].perSecond(over: Self.second, at: now.milliseconds)
            producer.postsPerSecondOfMinute = book[counter].perSecond(over: Self.minute, at: now.milliseconds)
            producers.append(producer)
        }
        rules = look.rules
        postsSparkline = sparkline(look.heartbeats.map { "\($0.stream)/\($0.journal) posts" }, book, now)
    }

    fileprivate mutating func add(loading look: DatabaseLook, _ book: inout RateBook, _ now: Timestamp) {
        for found in look.partitions {
            let name = "\(found.topic)-\(found.partition)"
            book.add(name, found.next, at: look.at.milliseconds)
            var partition = Partition(topic: found.topic, partition: found.partition)
            partition.add(book[name], now)
            partition.messagesPerSecond = partition.messagesPerSecond ?? found.rate
            partition.secondsSinceCommit = found.secondsSinceCommit
            partitions.append(partition)
        }
        loading = Loading(look)
        loading?.messagesPerSecond = partitions.compactMap(\.messagesPerSecond).reduce(0, +)
        loading?.messagesPerSecondOfMinute = Self.sum(partitions.map(\.messagesPerSecondOfMinute))
        loadSparkline = sparkline(look.partitions.map { "\($0.topic)-\($0.partition)" }, book, now)
    }

    // MARK: Sums

    private func sparkline(_ counters: [String], _ book: RateBook, _ now: Timestamp) -> [Double?] {
        Sparkline.sum(counters.map { book[$0].parts(Self.sparks, over: Self.minute, at: now.milliseconds) })
    }

    /// Nil when none is known.
    static func sum(_ values: [Double?]) -> Double? {
        let known = values.compactMap { $0 }
        return known.isEmpty ? nil : known.reduce(0, +)
    }
}

extension TopFacts.Partition {
    fileprivate mutating func add(_ series: RateSeries, _ now: Timestamp) {
        messagesPerSecond = series.perSecond(over: 1000, at: now.milliseconds)
        messagesPerSecondOfMinute = series.perSecond(over: 60_000, at: now.milliseconds)
        sparkline = series.parts(TopFacts.sparks, over: 60_000, at: now.milliseconds)
    }
}
