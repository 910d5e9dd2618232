import Core
import TestSupport
import Testing
import XAPI

@testable import TweetProducer

@Suite(.timeLimit(.minutes(5))) struct XUsageTests {
    private func moment(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

    @Test func forecastsFromCompleteDays() throws {
        let usage = try #require(
            PostUsage(
                Array(
                    #"""
                    {"data":{"cap_reset_day":9,"project_cap":"3000000","project_usage":2400000,"daily_project_usage":{"usage":[
                    {"date":"2026-11-20T00:00:00.000Z","usage":"99"},{"date":"2026-11-19","usage":"50000"},
                    {"date":"2026-11-18T00:00:00.000Z","usage":70000}]}}}
                    """#.utf8)))
        let forecast = UsageForecast(usage, now: try moment("2026-11-20T12:00:00Z"))
        #expect(forecast.postsPerDay == 60_000)
        #expect(forecast.reset == (try moment("2026-12-09T00:00:00Z")))
        #expect(forecast.daysToCap == 10)
        #expect(forecast.isCapReachedBeforeReset)
        #expect(forecast.atReset == 2_400_000 + 60_000 * 18.5)
    }

    @Test(arguments: [
        (9, "2026-11-08", "2026-11-09"), (9, "2026-11-09", "2026-12-09"), (31, "2026-01-31", "2026-02-28"),
        (31, "2028-02-01", "2028-02-29"), (1, "2026-12-31", "2027-01-01"), (31, "2026-04-30", "2026-05-31"),
    ])
    func knowsWhenTheCycleBeginsAgain(_ day: Int, _ today: String, _ reset: String) throws {
        let days = try moment(today + "T00:00:00Z").milliseconds / 86_400_000
        let next = UsageForecast.nextReset(day: day, after: days)
        #expect("\(Timestamp(milliseconds: next * 86_400_000))".hasPrefix(reset))
    }

    @Test(arguments: [
        "", "[]", "{}", "{\"data\":{}}", "{\"data\":[]}", "{\"data\":{\"project_cap\":\"x\"}}", "<html>",
        "{\"data\":1e999}",
        "{\"data\":{\"daily_project_usage\":[{\"date\":\"never\",\"usage\":1}]}}",
    ])
    func refusesWhatIsNoUsage(_ body: String) {
        #expect(PostUsage(Array(body.utf8)) == nil)
    }

    @Test func readsWhatAppsConsumed() throws {
        let usage = try #require(
            PostUsage(
                Array(
                    #"""
                    {"data":{"cap_reset_day":"31","daily_client_app_usage":[
                    {"client_app_id":"1","usage":[{"date":"2026-11-20","usage":"5"}]},
                    {"client_app_id":"2","usage":[{"date":"2026-11-20","usage":"7"}]}]}}
                    """#.utf8)))
        #expect(usage.daily.values.sorted() == [12])
        #expect(usage.resetDay == 31)
        #expect(UsageForecast(usage, now: try moment("2026-11-21T00:00:00Z")).daysToCap == nil)
    }

    @Test func writesDollars() {
        #expect(PostPrice.listPrice.text(for: 3_000_000) == "$15,000.00")
        #expect(PostPrice.listPrice.text(for: 1) == "$0.01")
        #expect(PostPrice(dollars: 0).text(for: 1e30) == "$0.00")
        #expect(PostPrice.listPrice.text(for: 1e30) == "$∞")
        #expect(groupedDigits(-1_234_567) == "-1,234,567")
    }

    @Test func aJournalThatCannotBeReadIsNamed() throws {
        let folder = try TemporaryFolder()
        try folder.write("", to: "file")
        #expect(OwnCount.obstacle(in: folder.path + "/file")?.contains(folder.path + "/file") == true)
        #expect(OwnCount.obstacle(in: folder.path + "/none") == nil && OwnCount.obstacle(in: folder.path) == nil)
    }
}
