#ifndef CSIMDJSON_H
#define CSIMDJSON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A parser with its own buffers, reused from document to document. Not safe for use by two threads at once. */
typedef struct simdjson_parser simdjson_parser;

/* A parsed document: simdjson's tape (doc/tape.md of simdjson) and the string buffer it points into.
   Both belong to the parser and are overwritten by its next parse. */
typedef struct {
    const uint64_t *tape;
    const uint8_t *strings;
} simdjson_document;

/* The version of simdjson that this was compiled against, such as 3.0.1. */
const char *simdjson_version_text(void);

/* Creates a parser, or returns NULL when memory is short. */
simdjson_parser *simdjson_parser_create(void);

void simdjson_parser_destroy(simdjson_parser *parser);

/* Parses one JSON document of `length` bytes. The bytes need no padding: they are copied into a padded buffer.
   Returns 0, or simdjson's error code (simdjson::error_code); `document` is only set on 0. */
int simdjson_parse(simdjson_parser *parser, const uint8_t *json, size_t length, simdjson_document *document);

/* The text that simdjson has for an error code; static memory. */
const char *simdjson_error_text(int code);

#ifdef __cplusplus
}
#endif
#endif
