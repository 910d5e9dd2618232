/// The answer to DescribeGroups (protocol guide; version 4, the first one with names of members) for one group.
extension KafkaAnswer {
    static let describeGroups: Int16 = 15

    static func groupMembers(_ request: [UInt8], _ correlation: Int32, _ members: [KafkaFront.Member]) -> [UInt8] {
        var old = KafkaWire(request)
        _ = old.take(8)
        _ = old.string()
        _ = old.take(4)
        let group = old.string()
        var new = KafkaWire()
        new.append(correlation)
        new.append(Int32(0))
        new.append(Int32(1))
        new.append(Int16(0))
        new.append(string: group)
        for text in ["Stable", "consumer", "range"] { new.append(string: Array(text.utf8)) }
        new.append(Int32(members.count))
        for (number, member) in members.enumerated() {
            new.append(string: Array("member-\(number)".utf8))
            new.append(string: member.name.map { Array($0.utf8) })
            new.append(string: Array(member.client.utf8))
            new.append(string: Array("/\(member.host)".utf8))
            // Neither its subscription nor its partitions.
            new.append(Int32(0))
            new.append(Int32(0))
        }
        // The operations that the user may do: not asked for.
        new.append(Int32.min)
        return new.bytes
    }
}
