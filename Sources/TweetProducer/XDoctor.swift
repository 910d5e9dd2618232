import Core
import HTTP
import Journal
import XAPI

/// Finds what would keep the producer from reading X.
struct XDoctor {
    private let settings: ProducerSettings

    init(_ settings: ProducerSettings) {
        self.settings = settings
    }

    /// What X says, and what it has been asked.
    func findings(now: Timestamp) -> [DoctorFinding] {
        let found = x(now) + [Self.addresses(settings.stream.x.url, ProcessEnvironment.current)].compactMap { $0 }
        // Nothing more can be learnt from an X that does not answer.
        guard found.first?.status == .ok else { return found }
        return found + [certificate(now), connections, budget(now)].compactMap { $0 }
    }

    private func x(_ now: Timestamp) -> [DoctorFinding] {
        let path = "/2/tweets/search/stream/rules"
        do throws(XError) {
            let answer = try XAPI(settings.stream.x).call("GET", path, [])
            return [
                .ok("x", "\(settings.stream.x.url) accepts the token"), Self.clock(answer.headers["date"], now: .now()),
                RulesDoctor(settings.rules).finding(beside: try XRules(settings.stream.x).list()), usage(now),
            ]
        } catch {
            return [
                .fail(
                    "x", error.description, remedy: "see \"cannot read the stream\" in docs/operations.md",
                    error.disposition)
            ]
        }
    }

    /// Whether each address of X accepts connections, or each of the proxy that is used for it.
    ///
    /// - Parameters:
    ///   - url: X_URL.
    ///   - environment: which names proxies.
    /// - Returns: what was found.
    static func addresses(_ url: String, _ environment: [String: String]) -> DoctorFinding? {
        guard let peer = Proxies.peer(of: url, environment) else { return nil }
        return AddressDoctor("x addresses", [peer.server], role: peer.isProxy ? "the proxy " : "").finding
    }

    private func usage(_ now: Timestamp) -> DoctorFinding {
        do throws(XError) { return Self.usage(try PostUsage.ask(settings.stream.x), now: now) } catch {
            return .warning("usage", error.description, remedy: "tweet-producer usage, later")
        }
    }

    /// Judges what X itself counts, of all apps of the project.
    static func usage(_ usage: PostUsage, now: Timestamp) -> DoctorFinding {
        guard let used = usage.used, let cap = usage.cap else { return .ok("usage", "X reports no cap") }
        let (detail, forecast) = ("X counts \(used) posts of \(cap)", UsageForecast(usage, now: now))
        guard forecast.isCapReachedBeforeReset, let days = forecast.daysToCap else { return .ok("usage", detail) }
        return .warning(
            "usage", "\(detail): at this rate the cap is reached in \(Int(min(days, 999))) days, before its reset",
            remedy: "narrow the rules that match most, or set MAX_POSTS_PER_MONTH")
    }

    /// Compares our clock with that of X, which counts whole seconds.
    ///
    /// - Parameters:
    ///   - date: the header of an answer.
    ///   - now: when it came.
    /// - Returns: what was found.
    static func clock(_ date: String?, now: Timestamp) -> DoctorFinding {
        guard let there = date.flatMap(HTTPDate.time) else { return .ok("clock", "X names no time") }
        let off = abs(now.milliseconds - there.milliseconds)
        guard off > 2000 else { return .ok("clock", "at most 2 s from X's") }
        return .warning(
            "clock", "\(off / 1000) s from X's: gaps and delays are measured wrong",
            remedy: "synchronize it (chrony, NTP)")
    }

    private func certificate(_ now: Timestamp) -> DoctorFinding? {
        let x = settings.stream.x
        let request = HTTPRequest(
            url: x.url, token: Secret(""), caFile: x.caFile, connectTimeout: x.connectTimeout,
            totalTimeout: x.connectTimeout)
        guard let end = try? CurlTransfer.connect(request) else { return nil }
        return .certificate("x certificate", of: x.url, ends: end, now: now)
    }

    /// Connections that X counts; a plan with one lets nobody else in.
    private var connections: DoctorFinding? {
        do throws(XError) {
            let count = try StaleConnections(
                settings.stream.x, kind: settings.stream.source.kind, stop: Stop()
            ).count()
            let status = try? JournalStatus(
                folder: settings.journalFolder, stream: settings.stream.stream, quota: nil)
            return Self.connections(count, isRunning: status?.process != nil, plan: settings.stream.plan)
        } catch { return .ok("connections", "X does not list them") }
    }

    /// Judges how many connections X lists, one of which is that of a producer that runs here.
    static func connections(_ count: Int, isRunning: Bool, plan: AccountPlan) -> DoctorFinding {
        guard count > (isRunning ? 1 : 0), plan == .selfServe else { return .ok("connections", "X lists \(count)") }
        return .warning(
            "connections", "X lists \(count): the plan allows one, so a second producer is rejected",
            remedy: "stop the producer that has it, on this host or another; one that is being restarted is no problem")
    }

    /// The attempts that X allows in 15 minutes, as the producers of this host have counted them.
    private func budget(_ now: Timestamp) -> DoctorFinding? {
        let stream = settings.stream
        guard let token = try? stream.x.token.read() else { return nil }
        return Self.budget(
            ConnectBudget.counted(
                in: stream.lockFolder, credential: ConnectBudget.name(url: stream.x.url, token: token),
                limit: stream.connectBudget), now: now)
    }

    /// Judges the attempts that are left.
    static func budget(_ window: ConnectWindow, now: Timestamp) -> DoctorFinding {
        let delay = window.delay(at: now)
        guard delay > .zero else { return .ok("connects", "an attempt to connect is left") }
        return .warning(
            "connects", "every attempt to connect is used up for the next \(delay.short)",
            remedy: "wait; look for what restarts the producer repeatedly")
    }
}

/// The time in a `Date` header (RFC 9110, IMF-fixdate): `Sun, 29 Nov 2026 17:00:00 GMT`.
enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static func time(_ text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, let month = months.firstIndex(of: String(parts[2])) else { return nil }
        let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
        return Timestamp("\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
    }
}
