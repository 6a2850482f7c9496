// Credit risk: a logistic regression over three features.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scorer_bytes.h"

static float coef[3], intercept;

// The host checks each request against the schema before it calls `run`.
static const char SCHEMA[] =
    "{\"type\": \"object\", \"required\": [\"features\"], \"additionalProperties\": false, \"properties\": {\"features\": "
    "{\"type\": \"array\", \"items\": {\"type\": \"number\"}, \"minItems\": 3, \"maxItems\": 3}}}";

// Memory that goes to the host comes from `malloc`, and `scorer_bytes_string_dup` copies into such memory.
static void takes_json(scorebox_scoring_types_shape_t *shape) {
    shape->content_types.ptr = malloc(sizeof *shape->content_types.ptr);
    shape->content_types.len = 1;
    scorer_bytes_string_dup(shape->content_types.ptr, "application/json");
}

void exports_scorebox_scoring_scorer_describe(exports_scorebox_scoring_scorer_signature_t *ret) {
    memset(ret, 0, sizeof *ret);
    takes_json(&ret->input);
    takes_json(&ret->output);
    ret->input.json_schema.is_some = true;
    scorer_bytes_string_dup(&ret->input.json_schema.val, SCHEMA);
    ret->deterministic = true;
}

// Reads `count` elements of the tensor `name` of the model. Returns false if the model has no such tensor.
static bool read_floats(const char *name, uint64_t count, float *out) {
    scorer_bytes_string_t tensor_name;
    scorer_bytes_string_set(&tensor_name, name);
    scorebox_scoring_model_own_tensor_t tensor;
    scorebox_scoring_model_error_t error;
    if (!scorebox_scoring_model_static_tensor_open(&tensor_name, &tensor, &error)) return false;
    scorer_bytes_list_f32_t values;
    scorebox_scoring_model_borrow_tensor_t borrowed = scorebox_scoring_model_borrow_tensor(tensor);
    bool ok = scorebox_scoring_model_method_tensor_floats(borrowed, 0, count, &values, &error);
    if (ok) {
        memcpy(out, values.ptr, count * sizeof *out);
        scorer_bytes_list_f32_free(&values);
    }
    scorebox_scoring_model_tensor_drop_own(tensor);
    return ok;
}

// Runs once, where the image is built. Each instance starts with what it left.
bool exports_scorebox_scoring_scorer_init(exports_scorebox_scoring_scorer_problem_t *err) {
    if (read_floats("coef", 3, coef) && read_floats("intercept", 1, &intercept)) return true;
    memset(err, 0, sizeof *err);
    scorer_bytes_string_dup(&err->code, "no-weights");
    scorer_bytes_string_dup(&err->message, "coef or intercept cannot be read");
    return false;
}

// Reads the three numbers of a request that the host has checked.
static void read_features(const exports_scorebox_scoring_scorer_payload_t *input, float features[3]) {
    char *text = malloc(input->body.len + 1);
    memcpy(text, input->body.ptr, input->body.len);
    text[input->body.len] = 0;
    char *at = strchr(text, '[');
    for (int i = 0; at && *at && i < 3; i++) features[i] = strtof(at + 1, &at), at += strspn(at, " \t\r\n");
    free(text);
}

bool exports_scorebox_scoring_scorer_run(exports_scorebox_scoring_scorer_invocation_t *call,
                                         exports_scorebox_scoring_scorer_payload_t *input,
                                         exports_scorebox_scoring_scorer_answer_t *ret,
                                         exports_scorebox_scoring_scorer_score_error_t *err) {
    float features[3] = {0};
    read_features(input, features);
    // The arguments belong to this function.
    exports_scorebox_scoring_scorer_invocation_free(call);
    exports_scorebox_scoring_scorer_payload_free(input);
    if (features[0] < 0) {
        memset(err, 0, sizeof *err);
        err->tag = SCOREBOX_SCORING_TYPES_SCORE_ERROR_REJECTED;
        scorer_bytes_string_dup(&err->val.rejected.code, "negative-income");
        scorer_bytes_string_dup(&err->val.rejected.message, "the first feature is negative");
        return false;
    }
    float dot = intercept;
    for (int i = 0; i < 3; i++) dot += features[i] * coef[i];
    char answer[64];
    int length = snprintf(answer, sizeof answer, "{\"probability\":%.8g}", 1.0 / (1.0 + exp(-dot)));
    memset(ret, 0, sizeof *ret);
    scorer_bytes_string_dup(&ret->payload.content_type, "application/json");
    ret->payload.body.ptr = malloc(length);
    ret->payload.body.len = length;
    memcpy(ret->payload.body.ptr, answer, length);
    return true;
}
