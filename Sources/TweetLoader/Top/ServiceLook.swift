import Core
import Operations

/// One answer of a service, or why there is none, and when that was.
struct ServiceLook: Sendable {
    var service: String
    var place: String
    var answer: Result<ServiceStatus, ServiceSilence>
    /// By the clock of this host: those of the services may be wrong.
    var at: Timestamp

    /// - Parameters:
    ///   - service: the program that should answer there.
    ///   - question: asks it.
    init(_ service: String, _ question: ServiceQuestion) {
        (self.service, place) = (service, question.place)
        do throws(ServiceSilence) {
            let status = try question.status()
            answer =
                status.service == service
                ? .success(status) : .failure(ServiceSilence("\(place) is \(status.service), not \(service)"))
        } catch {
            answer = .failure(error)
        }
        at = .now()
    }

    init(_ service: String, place: String, _ answer: Result<ServiceStatus, ServiceSilence>, at: Timestamp) {
        (self.service, self.place, self.answer, self.at) = (service, place, answer, at)
    }

    /// Nil without an answer.
    var status: ServiceStatus? { try? answer.get() }

    /// How this look is listed.
    var source: TopFacts.Source {
        switch answer {
        case .success(let status):
            .init(service: service, place: place, answers: true, status: status.status)
        case .failure(let silence):
            .init(service: service, place: place, answers: false, problem: silence.description)
        }
    }

    /// The checks of the service that are not ok.
    var problems: [TopFacts.Problem] {
        (status?.checks ?? []).filter { $0.status != .ok }.map { check in
            .init(
                service: service, status: check.status, check: check.name, detail: check.detail, remedy: check.remedy)
        }
    }

    // MARK: Values

    /// Without the prefix of the service; nil when the service does not know it.
    func value(_ name: String) -> Double? { status?.value(full(name)) }

    /// The value with one label; nil when the service does not know it.
    func value(_ name: String, _ label: String) -> Double? {
        series(name).first { $0.labels.values.contains(label) }?.value
    }

    func series(_ name: String) -> [MetricReading] { status?.series(full(name)) ?? [] }

    /// The sum of all series; nil when there is none.
    func sum(_ name: String) -> Double? {
        let values = series(name).compactMap(\.value)
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    /// How long ago a moment was; nil when it never was.
    func age(_ name: String) -> Double? { value(name).flatMap { age(of: $0) } }

    /// How long ago a moment was, by the service's own clock, in which it is measured; nil for 0: it never was.
    func age(of seconds: Double) -> Double? {
        guard seconds > 0, let status else { return nil }
        let now = status.at.flatMap { Timestamp($0) } ?? at
        return max(0, Double(now.milliseconds) / 1000 - seconds)
    }

    /// How long something has been pending; 0 when nothing is, and nil when that is not known.
    func pending(_ name: String) -> Double? { value(name).map { age(of: $0) ?? 0 } }

    private func full(_ name: String) -> String { service.replacing("-", with: "_") + "_" + name }
}
