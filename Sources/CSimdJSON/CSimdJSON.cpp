#include "CSimdJSON.h"

#include <new>
#include <string>
#include <simdjson.h>

struct simdjson_parser {
    simdjson::dom::parser parser;
};

const char *simdjson_version_text(void) {
    static const std::string text = std::to_string(simdjson::SIMDJSON_VERSION_MAJOR) + "." +
                                    std::to_string(simdjson::SIMDJSON_VERSION_MINOR) + "." +
                                    std::to_string(simdjson::SIMDJSON_VERSION_REVISION);
    return text.c_str();
}

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

const char *simdjson_error_text(int code) {
    return simdjson::error_message(static_cast<simdjson::error_code>(code));
}
