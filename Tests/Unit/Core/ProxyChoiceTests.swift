import Core
import HTTP
import Testing

/// Whom libcurl connects to; `AddressDoctorTests` compares it with libcurl.
@Suite struct ProxyChoiceTests {
    private let http = [
        "http_proxy": "http://u:p%2F@proxy.example:3128/", "no_proxy": "a.example, .b.example 10.0.0.0/8",
    ]

    private func place(_ url: String, _ environment: [String: String]) -> String? {
        Proxies.peer(of: url, environment).map { "\($0.isProxy ? "proxy " : "")\($0.server)" }
    }

    @Test func theServerOfTheURL() {
        #expect(place("https://api.x.com", [:]) == "api.x.com port 443")
        #expect(place("http://api.x.com/2?a=@b", [:]) == "api.x.com port 80")
        #expect(place("https://[2001:db8::1]:8443/x", [:]) == "2001:db8::1 port 8443")
        #expect(place("https://", [:]) == nil)
    }

    @Test func theProxyOfTheEnvironment() {
        #expect(place("http://x.example", http) == "proxy proxy.example port 3128")
        #expect(place("https://x.example", http) == "x.example port 443")
        // An upper case HTTP_PROXY may come from a request.
        #expect(place("http://x.example", ["HTTP_PROXY": "p:1"]) == "x.example port 80")
        #expect(place("https://x.example", ["HTTPS_PROXY": "p:1"]) == "proxy p port 1")
        #expect(place("https://x.example", ["https_proxy": "", "all_proxy": "socks5h://p"]) == "proxy p port 1080")
        #expect(place("https://x.example", ["ALL_PROXY": "https://p"]) == "proxy p port 443")
    }

    @Test func whatNeedsNoProxy() {
        for host in ["a.example", "www.A.example", "b.example", "x.b.example.", "10.9.8.7"] {
            #expect(place("http://\(host)", http)?.hasPrefix("proxy") == false, "\(host)")
        }
        for host in ["xa.example", "example", "a.example.org", "11.0.0.1"] {
            #expect(place("http://\(host)", http)?.hasPrefix("proxy") == true, "\(host)")
        }
        let everything = ["http_proxy": "p:1", "NO_PROXY": "*"]
        #expect(place("http://x.example", everything) == "x.example port 80")
        let network = ["http_proxy": "p:1", "no_proxy": "2001:db8::/32,127.0.0.1"]
        #expect(place("http://[2001:db8:1::2]", network) == "2001:db8:1::2 port 80")
        #expect(place("http://[2001:db9::1]", network) == "proxy p port 1")
        #expect(place("http://127.0.0.1", network) == "127.0.0.1 port 80")
        #expect(place("http://127.0.0.2", network) == "proxy p port 1")
    }
}
