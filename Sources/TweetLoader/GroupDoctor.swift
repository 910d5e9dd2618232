import Core
import KafkaClient
import Logging
import Postgres

/// Finds members of Kafka's group that share a name (`group.instance.id`), who evict each other. Reads only, and joins no group.
struct GroupDoctor {
    private let settings: LoaderSettings
    private static let patience = Duration.seconds(5)

    init(_ settings: LoaderSettings) {
        self.settings = settings
    }

    /// Asks for the members.
    var finding: DoctorFinding {
        do {
            let silent = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }
            let inspector = try KafkaInspector(settings.kafka, group: settings.group, logger: silent)
            guard let members = try inspector.members(of: settings.group, timeout: Self.patience) else {
                return .ok("members", "not known: this broker does not list them")
            }
            return Self.judge(members, strangers: strangers(among: members))
        } catch {
            // What keeps the group from being read, `group` has found.
            return .ok("members", "not known: \(error)")
        }
    }

    /// Members with a name of this host that no loader of this host has.
    private func strangers(among members: [KafkaGroupMember]) -> [KafkaGroupMember] {
        let ours = members.filter { member in member.name.map { isOurs($0) } ?? false }
        guard !ours.isEmpty else { return [] }
        guard settings.kafka.memberName == nil else { return runsHere ? [] : ours }
        return ours.filter { !MemberNames.isHeld($0.name ?? "", settings) }
    }

    /// Whether a loader with these settings has this name: with several writers, a number follows what the user has set.
    private func isOurs(_ name: String) -> Bool {
        guard let own = settings.kafka.memberName else { return MemberNames.number(of: name, settings) != nil }
        return name == own || name.hasPrefix(own + "-") && Int(name.dropFirst(own.count + 1)) != nil
    }

    /// Whether a loader of this host has sent a heartbeat; true when PostgreSQL cannot be asked.
    private var runsHere: Bool {
        do throws(PostgresError) {
            let connection = try PostgresConnection.connect(settings.conninfo, role: .any)
            let answer = try connection.query(
                """
                SELECT count(*) FROM loaders
                WHERE ended_at IS NULL AND seen_at > now() - interval '1 minute' AND starts_with(owner, $1 || '/')
                """, [LoaderSettings.hostName], doing: "ask for the loaders of this host")
            return answer.integer(0, 0) ?? 0 > 0
        } catch { return true }
    }

    /// Judges the members of a group.
    ///
    /// - Parameters:
    ///   - members: all of them. Kafka lists a name once: who has it last evicts the other one; not every broker is Kafka.
    ///   - strangers: those with a name of this host that no loader of this host has.
    /// - Returns: what was found.
    static func judge(_ members: [KafkaGroupMember], strangers: [KafkaGroupMember]) -> DoctorFinding {
        let names = Dictionary(grouping: members.filter { $0.name != nil }) { $0.name ?? "" }
        let doubled = names.filter { $0.value.count > 1 }.sorted { $0.key < $1.key }
        guard doubled.isEmpty else {
            let list = doubled.map { "\($0.key) (\($0.value.map(\.host).joined(separator: ", ")))" }
            return .fail(
                "members", "members of the group share a group.instance.id: \(list.joined(separator: "; "))",
                remedy: GroupMembership.nameRemedy)
        }
        guard strangers.isEmpty else {
            let list = strangers.map { "\($0.name ?? "") (\($0.client), \($0.host))" }.sorted()
            return .warning(
                "members",
                "the group has a member with a name of this host, where no loader has it: \(list.joined(separator: "; "))",
                remedy: "\(GroupMembership.nameRemedy); a loader that was killed stays a member as long")
        }
        return .ok("members", "\(counted(members.count, "member")), each with a name of its own or none")
    }
}
