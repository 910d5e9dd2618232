/// A time span in a scenario or a change: a number of seconds, or `250ms`, `30s`, `5m`, `2h`, `3d`.
struct SandboxDuration: Sendable, Decodable {
    let duration: Duration

    init(_ duration: Duration) {
        self.duration = duration
    }

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let seconds = try? value.decode(Double.self), (0...1e9).contains(seconds) {
            duration = .seconds(seconds)
        } else if let text = try? value.decode(String.self), let duration = Duration(setting: text) {
            self.duration = duration
        } else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "not a time span; one is a number of seconds, or such as 250ms, 30s, 5m, 2h, 3d"))
        }
    }
}
