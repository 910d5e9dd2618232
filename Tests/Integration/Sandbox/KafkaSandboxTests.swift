import Core
import Sandbox
import Testing

@Suite("KafkaSandbox", .timeLimit(.minutes(4)))
struct KafkaSandboxTests {
    @Test("the child process prints where it listens and ends when asked")
    func childProcess() throws {
        let kafka = try KafkaSandboxProcess(topics: ["extra": 3])
        #expect(kafka.bootstrapServers.hasPrefix("127.0.0.1:"))
        #expect(kafka.isRunning)
        kafka.stop()
        #expect(!kafka.isRunning)
    }

    @Test("a topic cannot be created twice")
    func duplicateTopic() throws {
        let kafka = try KafkaSandbox(topics: ["a": 1])
        defer { kafka.destroy() }
        #expect(throws: Failure.self) { try kafka.createTopic("a", partitions: 2) }
    }
}
