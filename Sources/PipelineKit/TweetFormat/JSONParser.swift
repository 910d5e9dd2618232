import CSimdJSON

/// A simdjson parser with its buffers, which grow to the longest document and are used again.
///
/// Safe because the handle is made and destroyed here alone, and `mutating` keeps two parses apart.
@safe struct JSONParser: ~Copyable {
    /// Why a document was refused.
    struct Refusal: Error {
        /// simdjson's `error_code`.
        let code: Int32

        /// simdjson's own words; they never quote the document.
        var text: String { unsafe String(cString: simdjson_error_text(code)) }

        /// The numbers of simdjson's `error_code` that need an answer of their own; stable since its 1.0.
        var isTooDeep: Bool { code == 4 }
        var isNumber: Bool { code == 9 }
    }

    private let parser: OpaquePointer

    /// Makes a parser.
    init() {
        guard let parser = unsafe simdjson_parser_create() else {
            preconditionFailure("no memory for a JSON parser")
        }
        unsafe self.parser = parser
    }

    deinit {
        unsafe simdjson_parser_destroy(parser)
    }

    /// Parses one document; the node is valid until the next parse.
    mutating func parse(_ json: UnsafeRawBufferPointer) throws(Refusal) -> JSONNode {
        var document = unsafe simdjson_document()
        let start = unsafe json.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let start = unsafe start else { throw Refusal(code: 12) }
        let code = unsafe simdjson_parse(parser, start, json.count, &document)
        guard code == 0 else { throw Refusal(code: code) }
        return unsafe JSONNode(rootOf: document)
    }
}
