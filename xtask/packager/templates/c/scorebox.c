// Connects a scorer to the host, by the bindings that wit-bindgen generates. You do not need to change this file, unless the
// scorer takes other bodies than JSON, or reads the facts about a call.
//
// The host calls the functions whose names begin with `exports_`. What they return is memory of `malloc`, and their arguments
// belong to them.

#include "scorebox.h"

#include "bindings/scorer_bytes.h"

static const char JSON[] = "application/json";

static void takes_json(scorebox_scoring_types_shape_t *shape) {
    shape->content_types.ptr = allocated(sizeof *shape->content_types.ptr);
    shape->content_types.len = 1;
    scorer_bytes_string_dup(shape->content_types.ptr, JSON);
}

void exports_scorebox_scoring_scorer_describe(exports_scorebox_scoring_scorer_signature_t *ret) {
    memset(ret, 0, sizeof *ret);
    takes_json(&ret->input);
    takes_json(&ret->output);
    ret->input.json_schema.is_some = true;
    scorer_bytes_string_dup(&ret->input.json_schema.val, scorer_schema);
    // Equal requests have equal answers. Remove the line if they do not.
    ret->deterministic = true;
}

static void write_problem(exports_scorebox_scoring_scorer_problem_t *problem, result failure) {
    memset(problem, 0, sizeof *problem);
    scorer_bytes_string_dup(&problem->code, failure.code);
    scorer_bytes_string_dup(&problem->message, failure.message);
}

bool exports_scorebox_scoring_scorer_init(exports_scorebox_scoring_scorer_problem_t *err) {
    result started = scorer_init();
    if (started.kind != OK) write_problem(err, started);
    return started.kind == OK;
}

bool exports_scorebox_scoring_scorer_run(exports_scorebox_scoring_scorer_invocation_t *call,
                                         exports_scorebox_scoring_scorer_payload_t *input,
                                         exports_scorebox_scoring_scorer_answer_t *ret,
                                         exports_scorebox_scoring_scorer_score_error_t *err) {
    size_t length = input->body.len;
    char *request = allocated(length + 1);
    memcpy(request, input->body.ptr, length);
    request[length] = 0;
    exports_scorebox_scoring_scorer_invocation_free(call);
    exports_scorebox_scoring_scorer_payload_free(input);
    result scored = scorer_run(request);
    free(request);
    if (scored.kind == OK && !scored.json) scored = failed("no-answer", "the scorer returned no answer");
    switch (scored.kind) {
    case OK:
        memset(ret, 0, sizeof *ret);
        scorer_bytes_string_dup(&ret->payload.content_type, JSON);
        ret->payload.body.ptr = (uint8_t *)scored.json;
        ret->payload.body.len = strlen(scored.json);
        return true;
    case REJECTED:
        err->tag = SCOREBOX_SCORING_TYPES_SCORE_ERROR_REJECTED;
        write_problem(&err->val.rejected, scored);
        return false;
    case UNAVAILABLE:
        err->tag = SCOREBOX_SCORING_TYPES_SCORE_ERROR_UNAVAILABLE;
        write_problem(&err->val.unavailable, scored);
        return false;
    default:
        err->tag = SCOREBOX_SCORING_TYPES_SCORE_ERROR_FAILED;
        write_problem(&err->val.failed, scored);
        return false;
    }
}

bool model_floats(const char *name, float *values, size_t count) {
    scorer_bytes_string_t tensor_name;
    scorer_bytes_string_set(&tensor_name, name);
    scorebox_scoring_model_own_tensor_t tensor;
    scorebox_scoring_model_error_t error;
    if (!scorebox_scoring_model_static_tensor_open(&tensor_name, &tensor, &error)) {
        scorebox_scoring_model_error_free(&error);
        return false;
    }
    scorer_bytes_list_f32_t found;
    scorebox_scoring_model_borrow_tensor_t borrowed = scorebox_scoring_model_borrow_tensor(tensor);
    bool is_read = scorebox_scoring_model_method_tensor_floats(borrowed, 0, count, &found, &error);
    if (is_read) {
        memcpy(values, found.ptr, count * sizeof *values);
        scorer_bytes_list_f32_free(&found);
    } else {
        scorebox_scoring_model_error_free(&error);
    }
    scorebox_scoring_model_tensor_drop_own(tensor);
    return is_read;
}
