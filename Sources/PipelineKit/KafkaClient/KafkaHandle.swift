import CRdKafka
import Core
package import Logging
import Synchronization

/// The one owner of a librdkafka client.
///
/// Its callbacks get the `KafkaContext` as opaque pointer; the context outlives the client because this owner
/// destroys the client first.
@safe
struct KafkaHandle: ~Copyable {
    let client: OpaquePointer
    private let context: Unmanaged<KafkaContext>

    /// Makes a client.
    ///
    /// - Parameters:
    ///   - type: producer or consumer.
    ///   - configuration: its properties.
    ///   - context: what its callbacks write to.
    ///   - prepare: sets callbacks on librdkafka's configuration object before the client is made.
    /// - Throws: `KafkaClientError`: `operator` when a property is unknown or has a value that librdkafka rejects; `retry` when
    ///   the system has no room for a client.
    init(
        _ type: rd_kafka_type_t, _ configuration: KafkaConfiguration, context: KafkaContext,
        prepare: (OpaquePointer) -> Void
    ) throws(KafkaClientError) {
        let settings = try unsafe Self.settings(configuration)
        let retained = unsafe Unmanaged.passRetained(context)
        unsafe rd_kafka_conf_set_opaque(settings, retained.toOpaque())
        unsafe rd_kafka_conf_set_log_cb(settings, kafkaLogged)
        unsafe rd_kafka_conf_set_error_cb(settings, kafkaErrorReported)
        if configuration.tokenFile != nil {
            unsafe rd_kafka_conf_set_oauthbearer_token_refresh_cb(settings, kafkaTokenWanted)
            unsafe rd_kafka_conf_enable_sasl_queue(settings, 1)
        }
        unsafe prepare(settings)
        var reason = [CChar](repeating: 0, count: 512)
        guard let created = unsafe rd_kafka_new(type, settings, &reason, reason.count) else {
            unsafe rd_kafka_conf_destroy(settings)
            unsafe retained.release()
            // Without threads or descriptors for a client another try may do, unlike with wrong settings.
            let isStarved = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE
            throw KafkaClientError(
                isStarved ? .retry : .operator(.settings), "Kafka settings: \(Self.text(reason))")
        }
        if configuration.tokenFile != nil { unsafe Self.refreshTokens(of: created, context.logger) }
        unsafe client = created
        unsafe self.context = retained
    }

    /// Reads tokens on a thread of librdkafka: not all who use a client poll it, and without a token it does nothing at all.
    private static func refreshTokens(of client: OpaquePointer, _ logger: Logger) {
        guard let error = unsafe rd_kafka_sasl_background_callbacks_enable(client) else { return }
        let reason = unsafe KafkaError(consuming: error, "read the token")
        logger.warning("the Kafka token cannot be refreshed", metadata: ["error": "\(reason)"])
    }

    /// librdkafka's configuration object with all properties; the caller destroys it, or makes a client of it.
    private static func settings(_ configuration: KafkaConfiguration) throws(KafkaClientError) -> OpaquePointer {
        let settings = unsafe rd_kafka_conf_new()!
        do {
            try unsafe apply(configuration, to: settings)
        } catch {
            unsafe rd_kafka_conf_destroy(settings)
            throw error
        }
        return unsafe settings
    }

    deinit {
        unsafe rd_kafka_destroy(client)
        unsafe context.release()
    }

    private static func apply(_ configuration: KafkaConfiguration, to settings: OpaquePointer) throws(KafkaClientError)
    {
        var mistakes: [String] = []
        for (name, property) in configuration.properties.sorted(by: { $0.key < $1.key }) {
            if KafkaConfiguration.isSecret(name) { Redaction.remember(property.value) }
            var reason = [CChar](repeating: 0, count: 512)
            let code = unsafe rd_kafka_conf_set(settings, name, property.value, &reason, reason.count)
            if code != RD_KAFKA_CONF_OK { mistakes.append("\(property.origin): \(explain(name, code, text(reason)))") }
        }
        guard mistakes.isEmpty else {
            throw KafkaClientError(.operator(.settings), mistakes.joined(separator: "\n"))
        }
    }

    /// A message without the value, which may be a secret.
    private static func explain(_ name: String, _ code: rd_kafka_conf_res_t, _ reason: String) -> String {
        if let remedy = javaOnly(name) { return "\(name) is a property of Java clients; \(remedy)" }
        if code == RD_KAFKA_CONF_UNKNOWN {
            return "unknown property '\(name)' (librdkafka's CONFIGURATION.md lists them all)"
        }
        return "\(name): " + (KafkaConfiguration.isSecret(name) ? "librdkafka rejects the value" : reason)
    }

    /// What to use in place of a property that only Kafka's Java clients know.
    private static func javaOnly(_ name: String) -> String? {
        switch name {
        case "sasl.jaas.config": "use sasl.username and sasl.password"
        case "key.serializer", "value.serializer", "key.deserializer", "value.deserializer": "remove it"
        case _ where name.hasPrefix("ssl.truststore"): "use ssl.ca.location"
        default: nil
        }
    }

    /// What librdkafka wrote into a buffer, without credentials.
    static func text(_ buffer: [CChar]) -> String {
        Redaction.clean(String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// The fatal error after which the client cannot be used; nil when there was none.
    func fatalError() -> KafkaError? {
        var reason = [CChar](repeating: 0, count: 512)
        let code = unsafe rd_kafka_fatal_error(client, &reason, reason.count)
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return KafkaError(RD_KAFKA_RESP_ERR__FATAL, "Kafka client", reason: Self.text(reason), cause: code)
    }
}

/// What the callbacks of one client write to.
///
/// The log callback may run on any of librdkafka's threads; all others run only inside a poll on the owner's thread.
final class KafkaContext: Sendable {
    let logger: Logger
    /// Delivery reports that were not taken yet, in the order they came.
    let reports = Mutex<[DeliveryReport]>([])
    /// Rebalances that were not taken yet.
    let changes = Mutex<[AssignmentChange]>([])
    /// Where the token of SASL/OAUTHBEARER is; empty when there is none.
    let tokenFile: String
    private let servers: String
    /// Bytes of the values of records without report. Used by one thread only, the client's owner: in `enqueue`, and in
    /// callbacks, which run inside `poll`.
    nonisolated(unsafe) var outstanding = 0
    /// Records without report; used as `outstanding` is.
    nonisolated(unsafe) var queued = 0
    /// Bytes of the values that the broker has acknowledged since they were last taken; used as `outstanding` is.
    nonisolated(unsafe) var acknowledgedBytes = 0
    /// Whether a request has timed out.
    let hasTimedOut = Atomic(false)
    private let outage: KafkaOutage
    private let isRefused = Atomic(false)
    /// Whether a broker has failed since one answered.
    private let hasFailed = Atomic(false)
    private let credentials: Mutex<(files: CredentialFiles, lookedAt: ContinuousClock.Instant)>

    /// - Parameters:
    ///   - configuration: of the client, just read.
    ///   - outage: whether Kafka can be reached, shared by clients of the same brokers.
    ///   - logger: gets what happens to it.
    init(_ configuration: KafkaConfiguration, outage: KafkaOutage? = nil, logger: Logger) {
        self.logger = logger
        self.outage = outage ?? KafkaOutage(logger)
        servers = configuration.bootstrapServers
        tokenFile = configuration.tokenFile ?? ""
        credentials = Mutex((configuration.credentialFiles, .now))
    }

    /// Logs that credentials or certificates were rejected once, not once a retry.
    func brokersRefused(_ reason: String) {
        hasFailed.store(true, ordering: .relaxed)
        if !isRefused.exchange(true, ordering: .relaxed) {
            logger.error(
                "Kafka rejects the connection; retrying, with new credentials when a file has them",
                metadata: ["error": "\(reason)", "servers": "\(servers)"])
        }
    }

    /// Why a client must be recreated: no broker accepts it, and its credentials have changed on the disk; else nil.
    ///
    /// Without a rejection, too: a file that was read while another program wrote it may have had no credentials at all, and a broker
    /// that asks for some then only disconnects.
    func renewal() -> KafkaError? {
        guard hasFailed.load(ordering: .relaxed) else { return nil }
        return credentials.withLock { credentials in
            guard credentials.lookedAt.duration(to: .now) >= .seconds(1) else { return nil }
            credentials.lookedAt = .now
            guard credentials.files.haveChanged else { return nil }
            return KafkaError(
                RD_KAFKA_RESP_ERR__FATAL, "sign in to Kafka", reason: "the files of the credentials have changed")
        }
    }

    /// Takes note of an error that belongs to no record, which is the cause when no broker can be reached afterwards.
    func brokerFailed(_ error: KafkaError) {
        hasFailed.store(true, ordering: .relaxed)
        if error.isTimeOut { hasTimedOut.store(true, ordering: .relaxed) }
        outage.note(error.reason)
        logger.debug("a Kafka broker failed", metadata: ["error": "\(error.reason)"])
    }

    func brokersUnreachable(_ reason: String) {
        hasFailed.store(true, ordering: .relaxed)
        outage.begin(reason, servers: servers)
    }

    var isUnreachable: Bool { outage.isOngoing }

    func brokersAnswered() {
        outage.end()
        if hasFailed.load(ordering: .relaxed) { hasFailed.store(false, ordering: .relaxed) }
        if isRefused.load(ordering: .relaxed), isRefused.exchange(false, ordering: .relaxed) {
            logger.info("Kafka accepts the connection again")
        }
    }
}

/// Whether Kafka can be reached: logged once when that ends and once when it returns, however many clients notice it.
package final class KafkaOutage: Sendable {
    private let logger: Logger
    private let isUnreachable = Atomic(false)
    /// What librdkafka reported last: `host:port/id: Connect to … failed: Connection refused …`.
    private let lastError = Mutex("")

    package init(_ logger: Logger) {
        self.logger = logger
    }

    /// Whether no broker can be reached.
    package var isOngoing: Bool { isUnreachable.load(ordering: .relaxed) }

    func note(_ error: String) {
        lastError.withLock { $0 = error }
    }

    func begin(_ reason: String, servers: String) {
        guard !isUnreachable.exchange(true, ordering: .relaxed) else { return }
        let error = lastError.withLock { $0.isEmpty ? reason : $0 }
        logger.warning(
            "Kafka is unreachable; retrying", metadata: ["error": "\(error)", "servers": "\(servers)"])
    }

    func end() {
        // Asked for every record, so a look comes before the exchange.
        guard isUnreachable.load(ordering: .relaxed), isUnreachable.exchange(false, ordering: .relaxed) else { return }
        logger.info("Kafka is reachable again")
    }
}

/// librdkafka's log (rdkafka.h, log_cb): may run on any thread.
private func kafkaLogged(
    client: OpaquePointer?, level: Int32, facility: UnsafePointer<CChar>?, text: UnsafePointer<CChar>?
) {
    guard let client = unsafe client, let text = unsafe text,
        let opaque = unsafe rd_kafka_opaque(client)
    else { return }
    let context = unsafe Unmanaged<KafkaContext>.fromOpaque(opaque).takeUnretainedValue()
    let message = Redaction.clean(unsafe String(cString: text))
    let name = unsafe facility.map { unsafe String(cString: $0) } ?? ""
    // librdkafka reconnects by itself; the error callback reports when all brokers are unreachable.
    if name == "REQTMOUT" { context.hasTimedOut.store(true, ordering: .relaxed) }
    let isRoutine = level > 4 || ["FAIL", "ERROR", "REQTMOUT", "COMMITFAIL"].contains(name)
    context.logger.log(
        level: isRoutine ? .debug : .warning, "librdkafka reports a problem; it retries by itself",
        metadata: ["text": "\(message)", "facility": "\(name)"])
}

/// librdkafka's errors that belong to no record (rdkafka.h, error_cb): runs inside a poll.
private func kafkaErrorReported(
    client: OpaquePointer?, code: Int32, reason: UnsafePointer<CChar>?, opaque: UnsafeMutableRawPointer?
) {
    guard let opaque = unsafe opaque else { return }
    let context = unsafe Unmanaged<KafkaContext>.fromOpaque(opaque).takeUnretainedValue()
    let text = Redaction.clean(unsafe reason.map { unsafe String(cString: $0) } ?? "")
    switch rd_kafka_resp_err_t(rawValue: code) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN: context.brokersUnreachable(text)
    case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR__SSL:
        context.brokersRefused(text)
    default:
        context.brokerFailed(KafkaError(rd_kafka_resp_err_t(rawValue: code), "reach a broker", reason: text))
    }
}
