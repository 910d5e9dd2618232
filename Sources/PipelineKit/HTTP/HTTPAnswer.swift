import CCurl
import Core

/// What came back for one request; libcurl's callbacks fill it on the thread that runs the transfer.
///
/// The body of a 200 goes to `stream` piece by piece when there is one; every other body is kept up to `bodyLimit`.
package final class HTTPAnswer {
    /// Takes a body as it comes.
    @safe
    package struct Stream {
        /// Whether only JSON lines are the stream: what else comes with a 200 is a page of a portal or proxy. An object of S3
        /// may be anything.
        let isJSON: Bool
        /// Called when the header of a 200 is complete.
        let begin: () -> Void
        /// Takes the next bytes; false ends the transfer.
        let take: (UnsafeRawBufferPointer) -> Bool

        package init(
            isJSON: Bool, begin: @escaping () -> Void, take: @escaping (UnsafeRawBufferPointer) -> Bool
        ) {
            self.isJSON = isJSON
            self.begin = begin
            unsafe self.take = take
        }
    }

    package private(set) var status = 0
    package private(set) var isHeaderComplete = false
    package private(set) var headers: [String: String] = [:]
    package private(set) var body: [UInt8] = []
    package private(set) var isBodyCut = false
    /// The first byte of the body that is no white space.
    private var firstByte: UInt8?
    private var startsWithLineEnd = false
    private var hasBegun = false

    private let bodyLimit: Int
    private let stream: Stream?

    /// - Parameters:
    ///   - bodyLimit: bytes of a body that are kept; a longer one ends the transfer (`isBodyCut`).
    ///   - stream: takes the body of a 200, when that is what it takes.
    package init(bodyLimit: Int, stream: Stream? = nil) {
        self.bodyLimit = bodyLimit
        self.stream = stream
    }

    /// Whether the body is the stream that was asked for. Portals and proxies answer 200 with a page.
    var isStream: Bool {
        guard isHeaderComplete, status == 200 else { return false }
        if stream?.isJSON == false { return true }
        return (kind == .json || kind == .unnamed && hasJSONBody) && !isPage
    }

    /// Whether it may turn out to be the stream: the header does not say what the body is, and none of it has come.
    package var mayBeStream: Bool { isHeaderComplete && status == 200 && kind == .unnamed && firstByte == nil }

    /// Whether the body is a page for people, by its type or by how it begins.
    package var isPage: Bool { kind == .page || firstByte == UInt8(ascii: "<") }

    private enum BodyKind {
        case json, page, unnamed, other
    }

    private var kind: BodyKind {
        guard let type = headers["content-type"]?.lowercased().split(separator: ";").first else { return .unnamed }
        if type.contains("json") { return .json }
        return type.contains("html") ? .page : .other
    }

    /// Whether the body begins like JSON lines, of which an empty one is a keep-alive.
    private var hasJSONBody: Bool {
        guard let firstByte = startsWithLineEnd ? UInt8(ascii: "{") : firstByte else { return false }
        return firstByte == UInt8(ascii: "{") || firstByte == UInt8(ascii: "[")
    }

    /// How long to wait at least, as a number of seconds or a date (RFC 9110, section 10.2.3); nil when nothing sensible is said.
    package var retryAfter: Duration? {
        guard let text = headers["retry-after"] else { return nil }
        if let seconds = Int64(text), !text.hasPrefix("+") {
            return (0..<1 << 40).contains(seconds) ? .seconds(seconds) : nil
        }
        guard let until = secondsSince1970(httpDate: text) else { return nil }
        return max(.zero, .seconds(until - (date ?? .now()).milliseconds / 1000))
    }

    /// X's clock, in whole seconds, when it answered; nil when the answer does not say.
    package var date: Timestamp? {
        headers["date"].flatMap(secondsSince1970(httpDate:)).map { Timestamp(milliseconds: $0 * 1000) }
    }

    /// Takes one header line with its line end: a status line, a field, or the empty line at the end.
    package func takeHeaderLine(_ bytes: UnsafeRawBufferPointer) {
        let line = unsafe String(decoding: bytes, as: UTF8.self).trimmingLineEnd()
        if line.hasPrefix("HTTP/") {
            // A new header begins: what came before was an interim answer (1xx).
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            headers = [:]
            isHeaderComplete = false
            firstByte = nil
        } else if line.isEmpty {
            guard status >= 200, !isHeaderComplete else { return }
            isHeaderComplete = true
            beginIfStream()
        } else if let colon = line.firstIndex(of: ":"), headers.count < 100 {
            let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            headers[line[..<colon].lowercased()] = String(value)
        }
    }

    private func beginIfStream() {
        guard isStream, !hasBegun, let stream else { return }
        hasBegun = true
        stream.begin()
    }

    /// Takes bytes of the body; false ends the transfer.
    package func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        if firstByte == nil {
            if let first = unsafe bytes.first { startsWithLineEnd = startsWithLineEnd || first == 10 || first == 13 }
            firstByte = unsafe bytes.first { $0 > 0x20 }
            beginIfStream()
        }
        if let stream, isStream { return unsafe stream.take(bytes) }
        // A page in place of the stream that the header announces ends it.
        if hasBegun { return false }
        let room = bodyLimit - body.count
        unsafe body.append(contentsOf: bytes.prefix(room))
        isBodyCut = bytes.count > room
        return !isBodyCut
    }
}

extension String {
    fileprivate func trimmingLineEnd() -> String {
        var scalars = unicodeScalars
        while let last = scalars.last, last == "\n" || last == "\r" || last == " " { scalars.removeLast() }
        return String(scalars)
    }
}

private func secondsSince1970(httpDate text: String) -> Int64? {
    let seconds = unsafe curl_getdate(text, nil)
    return seconds > 0 ? Int64(seconds) : nil
}
