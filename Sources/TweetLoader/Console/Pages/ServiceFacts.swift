import Core
import Operations

/// What the services say of themselves now, where their addresses are known: a heartbeat is up to 30 s old, this is not.
struct ServiceFacts {
    private let answers: [Answer]
    /// A service answers from memory: what takes longer is no answer.
    private static let patience = Duration.seconds(1)
    /// A page that asks more of them one after the other would take too long.
    private static let most = 8

    /// Asks the services.
    ///
    /// - Parameter configuration: names the services.
    init(_ configuration: ConsoleConfiguration) {
        let services = configuration.services.producers + configuration.services.loaders
        let all = services.prefix(Self.most).map(Self.ask)
        answers = configuration.isWatching ? all : all.filter { $0.status != nil }
    }

    private typealias Answer = (place: String, status: ServiceStatus?, silence: String?)

    private static func ask(_ question: ServiceQuestion) -> Answer {
        do throws(ServiceSilence) {
            return (question.place, try question.status(patience: patience), nil)
        } catch {
            return (question.place, nil, error.description)
        }
    }

    /// A table; nothing without services.
    var html: HTML {
        guard !answers.isEmpty else { return HTML() }
        let columns: [PageTable.Column] = [
            .init("service"), .init("address"), .init("state"), .init("what it says"), .init("remedy"),
        ]
        return "<h2>Services now</h2>\n"
            + PageTable("What the services answer (/status)", columns, rows: answers.flatMap(rows), empty: "").html
    }

    /// A row for each check that is not ok, or one for all of them.
    private func rows(_ answer: Answer) -> [[HTML]] {
        guard let status = answer.status else {
            return [
                ["–", HTML(text: answer.place), state("failing", "no answer"), HTML(text: answer.silence ?? ""), ""]
            ]
        }
        let bad = status.checks.filter { $0.status != .ok }
        guard !bad.isEmpty else {
            let calm = status.checks.prefix(2).map(\.detail).joined(separator: "; ")
            return [[HTML(text: status.service), HTML(text: answer.place), state("ok", "ok"), HTML(text: calm), ""]]
        }
        return bad.map { check in
            [
                HTML(text: status.service), HTML(text: answer.place),
                state(check.status.rawValue, check.status.rawValue),
                "\(check.name): \(HTML.foreign(check.detail))", HTML(text: check.remedy ?? ""),
            ]
        }
    }

    private func state(_ name: String, _ words: String) -> HTML { "<span class=\"state \(name)\">\(words)</span>" }
}
