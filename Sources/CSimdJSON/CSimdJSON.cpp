#include "CSimdJSON.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <simdjson.h>
#include <string_view>

struct simdjson_parser {
    simdjson::dom::parser parser;
};

simdjson_parser *simdjson_parser_create(void) {
    return new (std::nothrow) simdjson_parser();
}

void simdjson_parser_destroy(simdjson_parser *parser) {
    delete parser;
}

int simdjson_parse(simdjson_parser *parser, const uint8_t *json, size_t length, simdjson_document *document) {
    auto error = parser->parser.parse(json, length, /* realloc_if_needed */ true).error();
    if (error) {
        return error;
    }
    document->tape = parser->parser.doc.tape.get();
    document->strings = parser->parser.doc.string_buf.get();
    return simdjson::SUCCESS;
}

namespace {

// Stage 1 is no part of simdjson's interface, and the shared library may be newer than the headers: what it finds in a known
// document, longer than one block of 64 bytes, must be what is expected. The walk over the outline needs nothing more.
bool finds_known_outline() {
    constexpr std::string_view json = R"j({"a":                                                                      [1,"b\"}c",true, -2.5e3],"d\\":{}})j";
    constexpr uint32_t starts[] = {0, 1, 4, 75, 76, 77, 78, 85, 86, 90, 92, 98, 99, 100, 105, 106, 107, 108};
    simdjson::dom::parser parser;
    if (parser.allocate(simdjson::dom::MINIMAL_DOCUMENT_CAPACITY) || !parser.implementation) {
        return false;
    }
    auto &stages = *parser.implementation;
    auto bytes = reinterpret_cast<const uint8_t *>(json.data());
    return !stages.stage1(bytes, json.size(), simdjson::stage1_mode::regular) &&
           stages.n_structural_indexes == std::size(starts) &&
           std::equal(std::begin(starts), std::end(starts), stages.structural_indexes.get());
}

} // namespace

int simdjson_has_outline(void) {
    static const bool has = finds_known_outline();
    return has;
}

int simdjson_find_outline(simdjson_parser *parser, const uint8_t *json, size_t length, simdjson_outline *outline) {
    if (!simdjson_has_outline()) {
        return simdjson::UNSUPPORTED_ARCHITECTURE;
    }
    auto &dom = parser->parser;
    if (!dom.implementation || dom.capacity() < length) {
        auto capacity = std::max(length, size_t(simdjson::dom::MINIMAL_DOCUMENT_CAPACITY));
        if (auto error = dom.allocate(capacity)) {
            return error;
        }
    }
    auto &stages = *dom.implementation;
    if (auto error = stages.stage1(json, length, simdjson::stage1_mode::regular)) {
        return error;
    }
    outline->starts = stages.structural_indexes.get();
    outline->count = stages.n_structural_indexes;
    return simdjson::SUCCESS;
}

const char *simdjson_error_text(int code) {
    return simdjson::error_message(static_cast<simdjson::error_code>(code));
}
