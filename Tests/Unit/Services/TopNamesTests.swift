import Core
import Foundation
import TestSupport
import Testing

@testable import TweetLoader
@testable import TweetProducer

/// `tweet-loader top` asks for metrics by name, which nothing but this compares with those that the services have.
@Suite(.timeLimit(.minutes(5))) struct TopNamesTests {
    @Test func everyNameIsThatOfAMetric() throws {
        let known = Set(
            [ProducerMetrics().registry, LoaderMetrics().registry].flatMap(\.families).map(\.sampleName))
        let folder = repository.appending(path: "Sources/TweetLoader/Top")
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        var names: Set<String> = []
        for file in files {
            let text = try String(contentsOf: file, encoding: .utf8)
            let calls = /(?:value|series|sum|age|pending)\("([a-z_]+)"/
            for match in text.matches(of: calls) { names.insert(String(match.1)) }
        }
        #expect(names.count >= 25, "\(names.sorted())")
        for name in names {
            #expect(["tweet_producer_\(name)", "tweet_loader_\(name)"].contains { known.contains($0) }, "\(name)")
        }
    }
}
