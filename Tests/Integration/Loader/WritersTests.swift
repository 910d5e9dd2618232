import KafkaClient
import TestSupport
import Testing

@testable import TweetLoader

@Suite("Writers of one process", .ownThreads, .timeLimit(.minutes(4)))
struct WritersTests {
    private func settings(_ properties: [String: String] = [:]) throws -> LoaderSettings {
        var settings = try LoaderSettings.test("postgresql://localhost/none", kafka: "names.test:1")
        let all = properties.merging(["bootstrap.servers": "names.test:1"]) { $1 }
        settings.kafka = KafkaConfiguration(all.mapValues { .init($0, from: "the test") })
        return settings
    }

    @Test("loaders on one host have different names, and a new one gets the lowest that are free")
    func names() throws {
        let settings = try settings()
        let prefix = "\(LoaderSettings.hostName)-tweets-"
        var first = MemberNames(settings, count: 2)
        #expect(first?.names == [prefix + "1", prefix + "2"])
        let second = MemberNames(settings, count: 1)
        #expect(second?.names == [prefix + "3"])
        first = nil
        let third = MemberNames(settings, count: 3)
        #expect(third?.names == [prefix + "1", prefix + "2", prefix + "4"])
        var other = settings
        other.group = "other"
        let elsewhere = MemberNames(other, count: 1)
        #expect(elsewhere?.names == [prefix + "1"], "a different group has names of its own")
        withExtendedLifetime((second, third, elsewhere)) {}
    }

    @Test("writers share the bound of a transaction, and differ in owner and name")
    func shares() throws {
        let alone = try settings().writer(1, of: 1, member: "host-tweets-1")
        #expect((alone.owner, alone.member, alone.limits.bytes) == ("test", "host-tweets-1", 12 << 20))
        let second = try settings().writer(2, of: 4, member: "host-tweets-2")
        #expect((second.owner, second.member, second.limits.bytes) == ("test/2", "host-tweets-2", 3 << 20))
        let named = try settings(["group.instance.id": "mine"])
        #expect(named.writer(1, of: 1, member: named.kafka.memberName).member == "mine")
        #expect(named.writer(2, of: 4, member: named.kafka.memberName).member == "mine-2")
    }
}
