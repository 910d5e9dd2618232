import Core
import FoundationEssentials
import Glibc
import TestSupport
import Testing

@testable import TweetProducer

/// `streams apply` reaches what the file says from any state, and completes what a kill has left.
@Suite(.timeLimit(.minutes(10))) struct StreamsConvergenceTests {
    private static let seed = ProcessInfo.processInfo.environment["SOAK_SEED"].flatMap { UInt64($0) } ?? 1

    @Test func aThousandStatesConvergeInOneApply() throws {
        for round in 0..<1000 {
            var random = SplitMix64(seed: Self.seed &+ UInt64(round))
            let world = try StreamsWorld()
            try world.disturb(&random)
            let desired = StreamsWorld.desired(&random)
            _ = try world.apply(desired)
            let faults = try world.faults(desired)
            #expect(faults == [], "seed \(Self.seed), round \(round)")
            let starts = world.supervisor.state.withLock { $0.starts }
            #expect(try world.apply(desired) == [], "nothing is left to do")
            #expect(world.supervisor.state.withLock { $0.starts } == starts)
            if !faults.isEmpty { return }
        }
    }

    /// Killed after any number of steps, several times, each time with another file.
    @Test func f78WhatKillsHaveLeftConvergesInOneApply() throws {
        var kills = 0
        for round in 0..<500 {
            var random = SplitMix64(seed: Self.seed &+ UInt64(10_000 + round))
            let world = try StreamsWorld()
            try world.disturb(&random)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let steps = Int.random(in: 0..<30, using: &random)
                if try world.apply(StreamsWorld.desired(&random), killedAfter: steps) == nil { kills += 1 }
            }
            let desired = StreamsWorld.desired(&random)
            _ = try world.apply(desired)
            let faults = try world.faults(desired)
            #expect(faults == [], "seed \(Self.seed), round \(round)")
            if !faults.isEmpty { return }
        }
        #expect(kills > 200, "else this shows little")
    }

    @Test func exactlyTheChangedStreamsRestart() throws {
        let world = try StreamsWorld()
        var desired = (1...3).map { StreamsWorld.settings(StreamsWorld.names[$0], version: 1, token: $0) }
        #expect(try world.apply(desired)?.map(\.result) == [.up, .up, .up])
        desired[1] = StreamsWorld.settings("c", version: 2, token: 2)
        #expect(
            try world.apply(desired) == [
                StreamOutcome(stream: "c", result: .up, journal: "/var/lib/tweet-pipeline/journal/c")
            ])
        #expect(world.supervisor.state.withLock { $0.starts } == 4)
        let stopped = try world.apply(Array(desired.dropLast()))
        #expect(
            stopped == [StreamOutcome(stream: "d", result: .stopped, journal: "/var/lib/tweet-pipeline/journal/d")])
    }

    /// Two streams exchange their tokens, and a new one takes that of one that is removed.
    @Test func tokensNeverServeTwoProcesses() throws {
        let world = try StreamsWorld()
        _ = try world.apply([
            StreamsWorld.settings("a", version: 1, token: 1), StreamsWorld.settings("b", version: 1, token: 2),
            StreamsWorld.settings("e", version: 1, token: 3),
        ])
        let desired = [
            StreamsWorld.settings("a", version: 1, token: 2), StreamsWorld.settings("b", version: 1, token: 1),
            StreamsWorld.settings("c", version: 1, token: 3),
        ]
        _ = try world.apply(desired)
        #expect(world.supervisor.state.withLock { $0.violations } == [])
        #expect(world.supervisor.state.withLock { $0.running.count } == 3)
    }

    /// A process reads why it ends for good, and only then; what a killed apply has noted is not believed later.
    @Test func aProcessKnowsWhyItEndsForGood() throws {
        let world = try StreamsWorld()
        let all = (0..<3).map { StreamsWorld.settings(StreamsWorld.names[$0], version: 1, token: $0) }
        _ = try world.apply(all)
        _ = try world.apply([StreamsWorld.settings("a", version: 2, token: 0), all[1], all[2]])
        #expect(world.supervisor.state.withLock { $0.ends } == [])
        // Killed when it has noted that `b` ends; then `b` is to go on, and later ends without being asked to.
        _ = try world.apply([all[0], all[2]], declared: ["a", "b", "c"], killedAfter: 1)
        #expect(try readTextFile(world.folder + "/streams/b.stop") == "stopped\n")
        _ = try world.apply(all)
        world.supervisor.stop("b")
        #expect(world.supervisor.state.withLock { $0.ends } == [])
        _ = try world.apply(all)
        _ = try world.apply([all[0]], declared: ["a", "c"])
        #expect(world.supervisor.state.withLock { $0.ends } == ["b removed", "c stopped"])
        #expect(try world.files.look(at: []).keys.sorted() == ["a"])
    }

    // MARK: Streams that do not start

    @Test func aFailedStartRestoresTheSettingsBefore() throws {
        let world = try StreamsWorld()
        let (old, bad) = (
            StreamsWorld.settings("a", version: 1, token: 1), StreamsWorld.settings("a", version: 2, token: 1)
        )
        let other = StreamsWorld.settings("b", version: 1, token: 2)
        _ = try world.apply([old])
        world.supervisor.state.withLock { $0.failing = [bad.hash] }
        let outcomes = try #require(try world.apply([bad, other]))
        #expect(outcomes.map(\.result) == [.restored, .up])
        #expect(outcomes[0].reason == "exit status 78")
        #expect(world.supervisor.state.withLock { $0.running["a"]?.hash } == old.hash)
        #expect(try world.files.settings.read("a") == old.text)
        #expect(try world.files.look(at: []).values.allSatisfy { $0.pending == nil })
    }

    /// A kill between the failed start and the way back does not lose the settings that worked.
    @Test(arguments: 0..<12)
    func f78AKillDuringTheWayBackKeepsTheSettingsBefore(steps: Int) throws {
        let world = try StreamsWorld()
        let (old, bad) = (
            StreamsWorld.settings("a", version: 1, token: 1), StreamsWorld.settings("a", version: 2, token: 1)
        )
        _ = try world.apply([old])
        world.supervisor.state.withLock { $0.failing = [bad.hash] }
        _ = try world.apply([bad], killedAfter: steps)
        _ = try world.apply([bad])
        #expect(world.supervisor.state.withLock { $0.running["a"]?.hash } == old.hash)
        #expect(try world.files.settings.read("a") == old.text)
    }

    @Test func aNewStreamThatDoesNotStartLeavesNothing() throws {
        let world = try StreamsWorld()
        let bad = StreamsWorld.settings("a", version: 2, token: 1)
        world.supervisor.state.withLock { $0.failing = [bad.hash] }
        #expect(try world.apply([bad])?.map(\.result) == [.failed])
        #expect(try world.files.look(at: []).isEmpty)
        #expect(world.supervisor.state.withLock { $0.loaded.isEmpty })
    }

    // MARK: Foreign files

    @Test func aForeignFileInTheWayIsAnErrorAndStays() throws {
        let world = try StreamsWorld()
        let path = world.folder + "/conf.d/tweet-stream-a.conf"
        try Data("[program:x]\n".utf8).write(to: URL(filePath: path))
        let error = #expect(throws: StreamsError.self) {
            try world.apply([StreamsWorld.settings("a", version: 1, token: 1)])
        }
        #expect(error?.description.contains("\(path) was not made by `streams apply`") == true)
        #expect(try readTextFile(path) == "[program:x]\n")
        #expect(try world.apply([]) == [], "nor is it removed")
        #expect(try readTextFile(path) == "[program:x]\n")
    }

    /// Who may write into a folder that root's supervisor reads is root.
    @Test func foldersThatOthersMayWriteIntoAreRejected() throws {
        guard geteuid() == 0 else { return }
        let world = try StreamsWorld()
        unsafe chmod(world.folder + "/conf.d", 0o777)
        let error = #expect(throws: StreamsError.self) { try world.apply([]) }
        #expect(error?.description.contains("chown root:root, chmod go-w") == true)
    }
}
