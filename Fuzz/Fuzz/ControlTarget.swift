import PipelineKit

/// What is read of messages that are no posts: in the stream, and as the body of a refusal.
enum ControlTarget {
    private static let statuses = [200, 400, 401, 402, 403, 404, 409, 420, 429, 500, 503, 599, 700]

    static func run(_ input: UnsafeRawBufferPointer) {
        if case .control(let control) = unsafe StreamMessage(line: input) {
            expect(control.cause.unicodeScalars.count <= 100, "a cause is short")
            expect((control.detail?.unicodeScalars.count ?? 0) <= 300, "a detail is short")
        }
        let body = unsafe Array(input)
        for status in statuses {
            let problem = Problem(status: status, body: body)
            expect(problem.status == status, "the status is the answer's")
            expect(problem.description.unicodeScalars.count <= 650, "a description is short")
            let bare = Problem(status: status, body: [])
            // Only these say something else than the status alone.
            let isToldByBody = [403, 409, 420, 429].contains(status)
            expect(isToldByBody || problem.kind == bare.kind, "the status decides the kind")
        }
        if let event = PipelineEvent(line: body) {
            expect(PipelineEvent(line: event.line) == event, "an event that was read and written is the same")
        }
    }
}
