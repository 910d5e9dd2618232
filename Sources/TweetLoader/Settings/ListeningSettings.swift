import Core
import Operations

/// Where `tweet-loader run` answers requests for metrics and health.
enum ListeningSettings: SettingGroup {
    static let title = "Metrics and health"
    static let listen = ListenSettings.settings(port: 9465)
    static let settings = [
        listen.address, listen.token, HealthLimits.degradedSetting, HealthLimits.failingSetting,
    ]
}
