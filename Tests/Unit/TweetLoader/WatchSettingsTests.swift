import Core
import Operations
import Testing

@testable import TweetLoader

/// Where the commands that watch find the services.
@Suite(.timeLimit(.minutes(5))) struct WatchSettingsTests {
    private func read(_ environment: [String: String]) throws -> (producers: [String], loaders: [String], [String]) {
        var reader = try SettingsReader(flags: [:], known: LoaderSettings.known, environment: environment)
        let services = WatchedServices.read(&reader)
        return (services.producers.map(\.place), services.loaders.map(\.place), reader.mistakes)
    }

    @Test func theDefaultsAreThoseOfTheServices() throws {
        #expect(try read([:]) == (["127.0.0.1:9464"], ["127.0.0.1:9465"], []))
        let listen = ListeningSettings.listen.address.defaultText.map { "http://\($0)" }
        #expect(WatchSettings.loaders.defaultText == listen)
    }

    @Test func severalAndNone() throws {
        let found = try read(["PRODUCER_URL": "http://a:1, http://[::1]:2/", "LOADER_URL": "off"])
        #expect(found == (["a:1", "[::1]:2"], [], []))
    }

    @Test(arguments: ["https://a:1", "a:1", "http://a:1,", "http://a:1/metrics", "on"])
    func errorsNameTheSetting(text: String) throws {
        let (_, loaders, mistakes) = try read(["LOADER_URL": text])
        #expect(loaders == ["127.0.0.1:9465"])
        let form = "a list of addresses such as http://127.0.0.1:9464, or off"
        #expect(mistakes == ["environment LOADER_URL: '\(text)' is not \(form)"])
    }

    @Test func configShowFindsThem() throws {
        var reader = try SettingsReader(flags: [:], known: LoaderSettings.known, environment: ["PRODUCER_URL": "x"])
        try LoaderSettings.read(&reader)
        #expect(reader.mistakes.contains { $0.contains("PRODUCER_URL") })
    }
}
