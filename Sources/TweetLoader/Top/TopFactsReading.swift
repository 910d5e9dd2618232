import Core
import Operations

extension TopFacts.Producer {
    /// What a producer says of itself.
    init(_ look: ServiceLook) {
        self.init(name: look.place, from: .status)
        let isConnected = look.value("x_connected").map { $0 == 1 }
        self.isConnected = isConnected
        isPassive = look.value("x_passive").map { $0 == 1 }
        secondsConnected = isConnected == true ? look.age("x_connection_start_timestamp_seconds") : nil
        secondsSinceByte = look.age("x_last_byte_timestamp_seconds")
        secondsSincePost = look.age("x_last_post_timestamp_seconds")
        secondsUnacknowledged = look.pending("journal_oldest_unacknowledged_timestamp_seconds")
        journalBytes = look.value("journal_used_bytes")
        quotaBytes = look.value("journal_quota_bytes").flatMap { $0 > 0 ? $0 : nil }
        availableBytes = look.value("journal_filesystem_available_bytes")
        rulesAtX = look.value("rules_at_x")
        postsToday = look.value("posts_used", "day")
        limitPerDay = look.value("posts_limit", "day").flatMap { $0 > 0 ? $0 : nil }
        postsOfCycle = look.value("posts_used", "cycle")
        limitPerCycle = look.value("posts_limit", "cycle").flatMap { $0 > 0 ? $0 : nil }
        if let postsOfCycle, let price = look.value("post_price_dollars") { dollarsOfCycle = postsOfCycle * price }
        openGaps = look.sum("gaps_open")
    }

    /// What the newest heartbeat of a producer says of it.
    init(_ heartbeat: DatabaseLook.Heartbeat) {
        self.init(name: "\(heartbeat.stream)/\(heartbeat.journal)", from: .postgresql)
        isConnected = heartbeat.isConnected
        isPassive = heartbeat.isPassive
        secondsSinceByte = heartbeat.secondsSinceByte
        secondsSincePost = heartbeat.secondsSincePost
        secondsUnacknowledged = heartbeat.secondsUnacknowledged
        journalBytes = heartbeat.journalBytes
        availableBytes = heartbeat.availableBytes
        rulesAtX = heartbeat.rules
        (postsToday, limitPerDay) = (heartbeat.postsToday, heartbeat.limitPerDay)
        (postsOfCycle, limitPerCycle) = (heartbeat.postsOfCycle, heartbeat.limitPerCycle)
        secondsOld = heartbeat.age
    }
}

extension TopFacts.Loading {
    /// What the loaders say of themselves. Facts of the database are the same for all of them.
    init(_ looks: [ServiceLook]) {
        self.init(from: .status, loaders: looks.count)
        secondsSinceCommit = looks.compactMap { $0.age("last_commit_timestamp_seconds") }.min()
        let heartbeats = looks.map { look in
            look.series("stream_heartbeat_timestamp_seconds").compactMap { $0.value.flatMap { look.age(of: $0) } }.max()
        }
        // The loader that has read PostgreSQL last knows best.
        secondsSinceHeartbeat = heartbeats.compactMap { $0 }.min()
        missingLines = looks.compactMap { $0.sum("ledger_missing_lines") }.max()
        unsettledLines = looks.compactMap { $0.sum("ledger_unsettled_lines") }.max()
        rejects = TopFacts.sum(looks.map { $0.sum("rejects_total") })
        openHoles = looks.compactMap { $0.value("holes_open") }.max()
        openGaps = looks.compactMap { $0.sum("gaps_open") }.max()
    }

    /// What PostgreSQL knows of the loaders.
    init(_ look: DatabaseLook) {
        self.init(from: .postgresql, loaders: look.loaders)
        secondsSinceCommit = look.partitions.compactMap(\.secondsSinceCommit).min()
        let newest = Dictionary(look.heartbeats.map { ($0.stream, $0.age) }) { min($0, $1) }
        secondsSinceHeartbeat = newest.values.max()
        unsettledLines = look.unsettled
        rejects = look.rejects
        openHoles = look.holes
        openGaps = look.openGaps
    }
}
