import Core
import Glibc
import Logging

/// The shipping of the log over HTTP, from a service's start to its end.
package enum LogShipping {
    /// Ships what is logged while `body` runs; an error that it throws is sent before all else that is left.
    ///
    /// - Parameters:
    ///   - settings: nil: the log is not shipped.
    ///   - service: the program.
    ///   - counts: what is counted.
    ///   - body: the service; process signals are blocked (`Service.prepareProcess`).
    /// - Throws: what `body` throws.
    package static func during(
        _ settings: LogShippingSettings?, service: String, counts: ShippingCounts, _ body: () throws -> Void
    ) throws {
        guard let settings else { return try body() }
        let source = EventSource(service: service, host: hostName)
        let (queue, folder) = queue(settings, counts)
        let shipper = LogShipper(settings, queue, counts, source)
        if let folder {
            CrashReport.find(in: folder, ProcessEnvironment.current).map { queue.append($0.line(source)) }
            CrashReport.begin(in: folder)
        }
        let thread = JoinableThread(name: "log-shipping") { shipper.run() }
        LogCopies.begin(shipper, from: settings.level.level)
        let result = Result { try body() }
        LogCopies.end()
        var lastWord: String?
        if case .failure(let error) = result { lastWord = source.lastWord(error, at: .now()) }
        shipper.end(lastWord: lastWord)
        shipper.waitForEnd(isHurried: hasPendingSignal)
        thread.join()
        shipper.reportRest()
        if let folder { CrashReport.end(in: folder) }
        try result.get()
    }

    /// What `logs ship` has done.
    package struct Shipped: Sendable {
        /// Events that the receiver has accepted, the one about a crash included.
        package let shipped: Int64
        /// Events that it has rejected.
        package let rejected: Int64
        /// Events that are still in the spool.
        package let left: Int64
        /// Why they are.
        package let reason: String
    }

    /// Ships what an ended run has left in its spool, and that it has crashed, when it has.
    ///
    /// - Parameters:
    ///   - settings: with a spool.
    ///   - spool: its folder.
    ///   - service: the program.
    ///   - environment: systemd's variables about the end of the run.
    /// - Returns: what was done.
    /// - Throws: `FileError` when the spool cannot be used, with the code `EWOULDBLOCK` when a process uses it.
    package static func ship(
        _ settings: LogShippingSettings, from spool: String, service: String, _ environment: [String: String]
    ) throws -> Shipped {
        let counts = ShippingCounts()
        let queue = try SpoolQueue(spool, limit: settings.spoolBytes, counts: counts)
        let source = EventSource(service: service, host: hostName)
        if let crash = CrashReport.find(in: queue.folder, environment) {
            queue.append(crash.line(source))
            CrashReport.end(in: queue.folder)
        }
        let shipper = LogShipper(settings, queue, counts, source)
        let thread = JoinableThread(name: "log-shipping") { shipper.run() }
        shipper.end(lastWord: nil)
        shipper.waitForEnd(isHurried: hasPendingSignal)
        thread.join()
        return Shipped(
            shipped: Int64(counts.shipped.value), rejected: Int64(counts.dropped[.rejected].value),
            left: queue.unconfirmed, reason: shipper.reason)
    }

    /// The queue of the settings, and the folder of one in files.
    private static func queue(
        _ settings: LogShippingSettings, _ counts: ShippingCounts
    ) -> (any LogQueue, SpoolFolder?) {
        let memory = MemoryQueue(limit: settings.queueBytes, counts: counts)
        guard let path = settings.spool else { return (memory, nil) }
        do throws(FileError) {
            let spool = try SpoolQueue(path, limit: settings.spoolBytes, counts: counts)
            return (spool, spool.folder)
        } catch {
            let logger = LogCopies.logger("log-shipping")
            logger.error(
                "LOG_HTTP_SPOOL cannot be used; log events wait in memory",
                metadata: [
                    "error": error.code == EWOULDBLOCK
                        ? "another process uses \(path); each needs a folder of its own" : "\(error)"
                ])
            return (memory, nil)
        }
    }

    /// Whether a second signal has come, which the service did not wait for.
    private static func hasPendingSignal() -> Bool {
        var pending = sigset_t()
        guard unsafe sigpending(&pending) == 0 else { return false }
        return unsafe sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1
    }

    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension EventSource {
    /// The event of an error that ends the service.
    fileprivate func lastWord(_ error: any Error, at time: Timestamp) -> String {
        line(
            level: "critical", "the service ends with an error",
            [("error", JSONText.string(Redaction.clean("\(error)")))], time: time)
    }
}
