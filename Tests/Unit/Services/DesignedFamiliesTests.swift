import Testing

@testable import Core
@testable import TweetLoader
@testable import TweetProducer

/// The families that each service must have, with their labels: alerts, dashboards and operators' own queries rely on them, so
/// none disappears or loses a label unnoticed.
@Suite(.timeLimit(.minutes(5))) struct DesignedFamiliesTests {
    private static let both = """
        build{version} log_messages{level} loop_last_beat_timestamp_seconds{loop} kafka_connected
        tls_certificate_expiry_timestamp_seconds{peer}
        process_start_time_seconds process_cpu_seconds process_resident_memory_bytes process_virtual_memory_bytes
        process_open_fds process_max_fds
        """
    private static let producer = """
        x_connected x_connection_start_timestamp_seconds x_last_byte_timestamp_seconds x_last_post_timestamp_seconds x_quiet
        x_received_bytes x_posts x_control_messages{kind} x_connect_attempts{outcome} x_disconnects{cause}
        x_connect_budget_remaining x_next_attempt_timestamp_seconds x_delivery_delay_seconds

        journal_lines journal_written_bytes journal_fsync_duration_seconds journal_unsynced_bytes journal_durable_seq
        journal_acknowledged_seq journal_oldest_unacknowledged_timestamp_seconds journal_writable journal_used_bytes
        journal_quota_bytes journal_filesystem_available_bytes journal_filesystem_size_bytes journal_dropped_lines
        journal_damaged_lines archive_waiting_segments archive_segments{result} upload_segments{result} upload_bytes
        upload_waiting_bytes upload_oldest_waiting_timestamp_seconds

        kafka_acknowledged_lines{topic} kafka_acknowledged_bytes{topic} kafka_delivery_duration_seconds
        kafka_delivery_errors{disposition} kafka_queue_lines kafka_client_restarts

        gaps{cause} gap_duration_seconds{cause} gaps_open{next} gap_oldest_open_timestamp_seconds
        gap_repairs{method,outcome} gap_repair_posts{method}

        rules_at_x rules_limit rules_differing{difference} rules_silent rules_last_check_timestamp_seconds rule_posts{tag}
        rule_last_post_timestamp_seconds{tag} rule_tags

        posts_used{window} posts_limit{window} posts_window_end_timestamp_seconds{window} post_price_dollars
        repair_posts_used repair_posts_limit x_usage_posts x_usage_cap_posts x_usage_read_timestamp_seconds
        """
    private static let loader = """
        partitions_assigned group_rejoins{reason} consumed_messages{topic} consumed_bytes{topic}
        partition_lag_messages{topic,partition} partition_oldest_unsettled_timestamp_seconds{topic,partition}

        settled_messages{outcome} rejects{reason} transactions{outcome} transaction_duration_seconds batch_messages
        end_to_end_delay_seconds last_commit_timestamp_seconds postgres_connected postgres_errors{disposition} fence_losses
        deletions{by}

        stream_heartbeat_timestamp_seconds{stream} stream_connected{stream} ledger_last_seq{stream}
        ledger_missing_lines{stream} gaps_open{stream} holes_open unknown_keys database_size_bytes
        status_read_timestamp_seconds status_read_errors
        """

    @Test("each service has every family with its labels", arguments: ["tweet_producer", "tweet_loader"])
    func everyFamilyIsThere(_ service: String) {
        let registry = service == "tweet_producer" ? ProducerMetrics().registry : LoaderMetrics().registry
        let found = Dictionary(uniqueKeysWithValues: registry.families.map { ($0.name, Set($0.labels)) })
        let text = Self.both + " " + (service == "tweet_producer" ? Self.producer : Self.loader)
        let wanted = text.matches(of: /([a-z_]+)(?:\{([a-z,]+)\})?/)
        #expect(wanted.count > 35)
        for family in wanted {
            let name = family.1.hasPrefix("process_") ? String(family.1) : "\(service)_\(family.1)"
            let labels = Set((family.2 ?? "").split(separator: ",").map(String.init))
            #expect(found[name].map { labels.isSubset(of: $0) } == true, "\(name) \(labels) \(found[name] ?? [])")
        }
    }
}
