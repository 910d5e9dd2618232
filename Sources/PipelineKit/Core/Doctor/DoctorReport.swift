/// One thing that `doctor` has looked at.
package struct DoctorFinding: Encodable, Sendable, Equatable {
    /// What was found.
    package enum Status: String, Encodable, Sendable {
        case ok
        /// It works, but may not for long, or not as documented.
        case warn
        /// It does not work.
        case fail
    }

    package let name: String
    package let status: Status
    package let detail: String
    /// What to do; nil while it is ok.
    package let remedy: String?
    /// Why a failure ends the command as it does.
    let disposition: Disposition

    private enum CodingKeys: CodingKey {
        case name, status, detail, remedy
    }

    private init(_ name: String, _ status: Status, _ detail: String, _ remedy: String?, _ disposition: Disposition) {
        (self.name, self.status, self.detail, self.remedy) = (name, status, detail, remedy)
        self.disposition = disposition
    }

    /// Something that is as it should be.
    package static func ok(_ name: String, _ detail: String) -> DoctorFinding {
        DoctorFinding(name, .ok, detail, nil, .wait)
    }

    /// Something that works, but may not for long, or not as documented.
    package static func warning(_ name: String, _ detail: String, remedy: String) -> DoctorFinding {
        DoctorFinding(name, .warn, detail, remedy, .wait)
    }

    /// Something that does not work.
    package static func fail(
        _ name: String, _ detail: String, remedy: String, _ disposition: Disposition = .operator(.settings)
    ) -> DoctorFinding {
        DoctorFinding(name, .fail, detail, remedy, disposition)
    }
}

/// What `doctor` has found.
package struct DoctorReport: Report {
    package let service: String
    /// In the order in which a start needs them.
    package let findings: [DoctorFinding]

    package init(service: String, findings: [DoctorFinding]) {
        (self.service, self.findings) = (service, findings)
    }

    package func text(on terminal: Terminal?) -> String {
        let rows = findings.map { [$0.status.rawValue, $0.name, $0.detail, $0.remedy ?? ""] }
        return FittingTable(header: ["STATUS", "CHECK", "FOUND", "REMEDY"], rows: rows).text(on: terminal)
    }

    /// The first failure, as the error that ends the command; nil without one.
    package var failure: DoctorFailure? {
        findings.first { $0.status == .fail }.map { DoctorFailure($0) }
    }
}

/// The first thing that does not work.
package struct DoctorFailure: DisposedError {
    package let disposition: Disposition
    package let description: String

    init(_ finding: DoctorFinding) {
        disposition = finding.disposition
        description = "\(finding.name): \(finding.detail): \(finding.remedy ?? "")"
    }
}
