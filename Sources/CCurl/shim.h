#include <curl/curl.h>

/* Swift cannot call C variadics: one typed function for each kind of argument that is used. */

static inline CURLcode curl_setopt_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_setopt_string(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_setopt_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_setopt_write(CURL *handle, CURLoption option, curl_write_callback function) {
    return curl_easy_setopt(handle, option, function);
}

static inline CURLcode curl_setopt_read(CURL *handle, CURLoption option, curl_read_callback function) {
    return curl_easy_setopt(handle, option, function);
}

static inline CURLcode curl_setopt_seek(CURL *handle, CURLoption option, curl_seek_callback function) {
    return curl_easy_setopt(handle, option, function);
}

static inline CURLcode curl_setopt_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode curl_getinfo_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode curl_getinfo_offset(CURL *handle, CURLINFO info, curl_off_t *value) {
    return curl_easy_getinfo(handle, info, value);
}

static inline CURLcode curl_getinfo_string(CURL *handle, CURLINFO info, const char **value) {
    return curl_easy_getinfo(handle, info, value);
}

/* What libcurl knows of the certificates that the server has sent (CURLOPT_CERTINFO); null when that is nothing. */
static inline const struct curl_certinfo *curl_getinfo_certificates(CURL *handle) {
    struct curl_certinfo *found = NULL;
    return curl_easy_getinfo(handle, CURLINFO_CERTINFO, &found) == CURLE_OK ? found : NULL;
}
