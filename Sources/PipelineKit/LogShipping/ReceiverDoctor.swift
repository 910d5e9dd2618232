import Core
import HTTP

/// Finds what would keep the log from its receiver. Sends no event.
package struct ReceiverDoctor {
    private let settings: LogShippingSettings

    /// - Parameter settings: of the shipping.
    package init(_ settings: LogShippingSettings) {
        self.settings = settings
    }

    /// What needs no network.
    package var local: [DoctorFinding] {
        let credentials = settings.credentials
        return [credentials.tokenFile, credentials.headersFile, credentials.proxyFile].compactMap { $0 }
            .map { .secretFile("logs", $0) }
    }

    /// Whether the receiver can be connected to, and for how long its certificate is valid.
    ///
    /// - Parameter now: the time.
    /// - Returns: a warning when it cannot: the service works without its receiver.
    package func remote(now: Timestamp) -> DoctorFinding {
        do {
            var request = HTTPRequest(
                url: settings.url, token: Secret(""), caFile: settings.caFile, connectTimeout: .seconds(5),
                totalTimeout: .seconds(10))
            request.authorization = Secret("")
            request.proxy = settings.proxy
            request.proxyCredentials = try settings.credentials.read().proxy
            let end = try CurlTransfer.connect(request)
            return end.map {
                DoctorFinding.certificate("logs", of: LogHTTPSettings.url.environment, ends: $0, now: now)
            }
                ?? .ok("logs", "the receiver accepts connections")
        } catch {
            return .warning(
                "logs", "the receiver of \(LogHTTPSettings.url.environment) cannot be connected to: \(error)",
                remedy:
                    "check \(LogHTTPSettings.url.environment), LOG_HTTP_PROXY and LOG_HTTP_CA_FILE; the service works without it"
            )
        }
    }
}
