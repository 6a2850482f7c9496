// A scorer in C that takes and returns JSON: the functions that it defines, and those that it can call. You do not need to
// change this file. `scorebox.c` connects the scorer to the host.

#ifndef SCOREBOX_H
#define SCOREBOX_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Result of a function of the scorer. The functions `ready`, `answered`, `rejected`, `unavailable` and `failed` make one.
typedef struct {
    // HTTP answers 200 to OK, 422 to REJECTED, 503 to UNAVAILABLE and 500 to FAILED.
    enum { OK, REJECTED, UNAVAILABLE, FAILED } kind;
    // JSON of the answer, in memory from `malloc`. Null if there is none.
    char *json;
    // A code for programs, e.g. `missing-feature`, and a text for the caller. Null if the kind is OK.
    const char *code, *message;
} result;

// Your scorer defines these.

// JSON Schema of a request. The host checks each request against it before it calls `scorer_run`.
extern const char scorer_schema[];
// Prepares the scorer, e.g. reads the weights. It runs once, where the image is built, and each instance starts with what
// it left.
result scorer_init(void);
// Scores a request, which is a text of JSON.
result scorer_run(const char *request);

// Your scorer can call these.

// Reads the first `count` elements of the tensor `name` of the model. Returns false if the model does not have them.
bool model_floats(const char *name, float *values, size_t count);

// Returns memory of `size` bytes from `malloc`. The instance ends if there is none: address 0 of a module is memory, so a
// null pointer would go unnoticed.
static inline void *allocated(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (!memory) abort();
    return memory;
}

// Reads the only list in a text of JSON. Returns false unless it has `count` numbers, at least one.
static inline bool json_numbers(const char *json, float *numbers, size_t count) {
    const char *at = strchr(json, '[');
    for (size_t i = 0; at && i < count; i++) {
        char *end;
        numbers[i] = strtof(at + 1, &end);
        if (end == at + 1 || !isfinite(numbers[i])) return false;
        at = end + strspn(end, " \t\r\n");
        if (*at != (i + 1 < count ? ',' : ']')) return false;
    }
    return at && !strchr(at, '[');
}

static inline result ready(void) { return (result){.kind = OK}; }

static inline result rejected(const char *code, const char *message) {
    return (result){.kind = REJECTED, .code = code, .message = message};
}

static inline result unavailable(const char *code, const char *message) {
    return (result){.kind = UNAVAILABLE, .code = code, .message = message};
}

static inline result failed(const char *code, const char *message) {
    return (result){.kind = FAILED, .code = code, .message = message};
}

// Returns an answer. The format and the values behind it make its JSON, as for `printf`.
__attribute__((format(printf, 1, 2))) static inline result answered(const char *format, ...) {
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (length < 0) abort();
    char *json = allocated((size_t)length + 1);
    vsnprintf(json, (size_t)length + 1, format, again);
    va_end(again);
    return (result){.kind = OK, .json = json};
}

#endif
