import ArgumentParser
import Core
import Journal
import XAPI

struct UsageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "usage",
        abstract: "Show the posts used in this billing cycle, and their cost.",
        discussion: """
            Reads from X the posts of this billing cycle, of all apps of the project, and estimates from the last seven \
            complete days (UTC) when the cap is reached. The cost is posts times price (X_POST_PRICE).

            "received" is our own count, of all streams below --journal: posts received and, by repairs, searched on this \
            machine. It is lower than X's when other apps of the project read, too; X counts a post once a day.

            Exit status: 0 done, 69 X is unreachable, 75 too many requests, 77 credentials rejected, \
            78 invalid settings.
            """)

    @OptionGroup var common: SettingFlags<CommonSettings>
    @OptionGroup(title: "X") var x: SettingFlags<XSettings>

    /// What it accepts beside X's and the common settings.
    enum Flags: SettingGroup {
        static let settings = [PostPrice.setting, JournalSettings.folder]
    }

    @OptionGroup var own: SettingFlags<Flags>

    @Flag(help: "One JSON object instead of a table.")
    var json = false

    func run() throws {
        try runCommand {
            var reader = try SettingsReader(
                flags: flags(common.values, x.values, own.values), known: ProducerSettings.known)
            let settings = XSettings(&reader)
            let postPrice = PostPrice.read(&reader)
            let folder = reader.text(JournalSettings.folder)
            let resetDay = reader.int(PostLimits.resetDaySetting)
            CommonSettings.startLogging(&reader)
            try reader.finish()
            let usage = try PostUsage.ask(settings)
            let own = OwnCount(folder: folder, resetDay: usage.resetDay ?? resetDay, now: .now())
            if own == nil, let obstacle = OwnCount.obstacle(in: folder) {
                writeToStandardError("warning: what was received here is unknown: \(obstacle)\n")
            }
            let view = UsageView(usage: usage, own: own, price: postPrice, now: .now())
            print(json ? view.json : view.table)
        }
    }
}

/// What the streams of a journal's folder have received, by their own count.
struct OwnCount: Equatable {
    let today: Int64
    let cycle: Int64

    /// Nil when the folder has no journal.
    init?(folder: String, resetDay: Int, now: Timestamp) {
        guard let streams = try? JournalStatus.streams(in: folder), !streams.isEmpty else { return nil }
        let days = streams.flatMap { Array(PostCounter.stored(in: folder + "/" + $0)) }
        let first = PostLimits(resetDay: resetDay).firstDay(at: now)
        today = days.filter { $0.key == now.day }.map(\.value).reduce(0, +)
        cycle = days.filter { $0.key >= first }.map(\.value).reduce(0, +)
    }

    /// Why the streams of a folder cannot be counted; nil when they can, or there is no folder.
    static func obstacle(in folder: String) -> String? {
        do throws(FileError) { if try JournalFolder.size(folder) == nil { return nil } } catch { return "\(error)" }
        do throws(JournalError) {
            _ = try JournalStatus.streams(in: folder)
            return nil
        } catch { return error.description }
    }
}

/// Usage and forecast, shown to people or to programs.
struct UsageView {
    let usage: PostUsage
    /// Nil without a journal.
    let own: OwnCount?
    let price: PostPrice
    let now: Timestamp

    private var forecast: UsageForecast { UsageForecast(usage, now: now) }
    private var today: Int64? { usage.daily[now.milliseconds / 86_400_000] }

    /// One line for each figure; what X does not tell shows as `?`.
    var table: String {
        let forecast = forecast
        var rows = [
            ("used in this cycle", posts(usage.used.map { Double($0) })), ("cap", count(usage.cap.map { Double($0) })),
            ("left", count(left)), ("today (UTC)", posts(today.map { Double($0) })),
            ("rate a day", posts(forecast.postsPerDay)),
            ("cycle resets on", forecast.reset.map { String($0.description.prefix(10)) } ?? "?"),
            ("forecast at reset", posts(forecast.atReset)),
            ("received today", count(own.map { Double($0.today) })),
            ("received this cycle", count(own.map { Double($0.cycle) })),
        ]
        if forecast.isCapReachedBeforeReset, let days = forecast.daysToCap {
            rows.append(("cap is reached in", "\(Self.days(days)) days, before the reset"))
        } else {
            rows.append(("cap is reached in", forecast.daysToCap.map { "\(Self.days($0)) days" } ?? "?"))
        }
        return rows.map { "\($0.0.padded(20))\($0.1)" }.joined(separator: "\n")
    }

    private var left: Double? {
        usage.cap.flatMap { cap in usage.used.map { Double(max(0, cap - $0)) } }
    }

    private func count(_ number: Double?) -> String {
        number.flatMap { Int64(exactly: $0.rounded()) }.map { groupedDigits($0) } ?? "?"
    }

    private func posts(_ number: Double?) -> String {
        number.map { "\(count($0)) posts, \(price.text(for: $0))" } ?? "?"
    }

    /// With one decimal.
    private static func days(_ days: Double) -> String {
        "\((days * 10).rounded() / 10)"
    }

    /// `{"used":…,"cap":…,"left":…,"today":…,"posts_per_day":…,"reset":…,"forecast_at_reset":…,…}`; null where X does not tell.
    var json: String {
        let forecast = forecast
        func number(_ value: Double?) -> String {
            value.flatMap { Int64(exactly: $0.rounded()) }.map(String.init) ?? "null"
        }
        func dollars(_ posts: Double?) -> String {
            posts.map { "\(($0 * price.dollars * 100).rounded() / 100)" } ?? "null"
        }
        let used = usage.used.map { Double($0) }
        let fields = [
            ("used", number(used)), ("cap", number(usage.cap.map { Double($0) })), ("left", number(left)),
            ("today", number(today.map { Double($0) })), ("posts_per_day", number(forecast.postsPerDay)),
            ("reset", forecast.reset.map { JSONText.string($0.description) } ?? "null"),
            ("forecast_at_reset", number(forecast.atReset)),
            ("days_to_cap", forecast.daysToCap.map { Self.days($0) } ?? "null"),
            ("cap_before_reset", "\(forecast.isCapReachedBeforeReset)"), ("dollars_used", dollars(used)),
            ("dollars_at_reset", dollars(forecast.atReset)),
            ("received_today", number(own.map { Double($0.today) })),
            ("received_in_cycle", number(own.map { Double($0.cycle) })),
        ]
        return "{\(fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ","))}"
    }
}
