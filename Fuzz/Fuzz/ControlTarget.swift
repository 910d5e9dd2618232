import TweetFormat

/// What is read of messages that are no posts: in the stream, and as the body of a refusal.
enum ControlTarget {
    private static let statuses = [200, 400, 401, 402, 403, 404, 409, 420, 500, 503, 599, 700]
    /// Only these say something else with a body than alone.
    private static let toldByBody: Set = [403, 409, 420, 429]
    private static let bareKinds = Dictionary(
        uniqueKeysWithValues: statuses.map { ($0, Problem(status: $0, body: []).kind) })

    static func run(_ input: UnsafeRawBufferPointer) {
        if case .control(let control) = unsafe StreamMessage(line: input) {
            expect(control.cause.unicodeScalars.count <= 100, "a cause is short")
            expect((control.detail?.unicodeScalars.count ?? 0) <= 300, "a detail is short")
        }
        let body = unsafe Array(input)
        check(429, body)
        // One more is enough for an input: each is read as often as the others.
        check(statuses[body.count % statuses.count], body)
        if let event = PipelineEvent(line: body) {
            expect(PipelineEvent(line: event.line) == event, "an event that was read and written is the same")
        }
    }

    private static func check(_ status: Int, _ body: [UInt8]) {
        let problem = Problem(status: status, body: body)
        expect(problem.status == status, "the status is the answer's")
        expect(problem.description.unicodeScalars.count <= 650, "a description is short")
        expect(toldByBody.contains(status) || problem.kind == bareKinds[status], "the status decides the kind")
    }
}
