// Credit risk in C, written against the bindings that wit-bindgen generates from the WIT.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "scorer_bytes.h"

static float coef[3], intercept;

static const char *SCHEMA = "{\"type\":\"object\",\"required\":[\"features\"],\"properties\":{\"features\":"
                            "{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"minItems\":3,\"maxItems\":3}}}";

static void json_type(scorer_bytes_string_t *s) { scorer_bytes_string_dup(s, "application/json"); }

void exports_scorebox_scoring_scorer_describe(exports_scorebox_scoring_scorer_signature_t *ret) {
  memset(ret, 0, sizeof *ret);
  scorebox_scoring_types_shape_t *shapes[2] = {&ret->input, &ret->output};
  for (int i = 0; i < 2; i++) {
    shapes[i]->content_types.ptr = malloc(sizeof(scorer_bytes_string_t));
    shapes[i]->content_types.len = 1;
    json_type(&shapes[i]->content_types.ptr[0]);
  }
  ret->input.json_schema.is_some = true;
  scorer_bytes_string_dup(&ret->input.json_schema.val, SCHEMA);
  ret->deterministic = true;
}

static bool read_floats(const char *name, uint64_t count, float *out) {
  scorer_bytes_string_t n;
  scorer_bytes_string_set(&n, name);
  scorebox_scoring_model_own_tensor_t tensor;
  scorebox_scoring_model_error_t error;
  if (!scorebox_scoring_model_static_tensor_open(&n, &tensor, &error)) return false;
  scorer_bytes_list_f32_t values;
  bool ok = scorebox_scoring_model_method_tensor_floats(scorebox_scoring_model_borrow_tensor(tensor), 0, count, &values, &error);
  if (ok) { memcpy(out, values.ptr, count * sizeof(float)); scorer_bytes_list_f32_free(&values); }
  scorebox_scoring_model_tensor_drop_own(tensor);
  return ok;
}

bool exports_scorebox_scoring_scorer_init(exports_scorebox_scoring_scorer_problem_t *err) {
  if (read_floats("coef", 3, coef) && read_floats("intercept", 1, &intercept)) return true;
  memset(err, 0, sizeof *err);
  scorer_bytes_string_dup(&err->code, "no-weights");
  scorer_bytes_string_dup(&err->message, "coef or intercept cannot be read");
  return false;
}

bool exports_scorebox_scoring_scorer_run(exports_scorebox_scoring_scorer_invocation_t *call, exports_scorebox_scoring_scorer_payload_t *input,
                                         exports_scorebox_scoring_scorer_answer_t *ret, exports_scorebox_scoring_scorer_score_error_t *err) {
  (void)call;
  char text[512];
  size_t n = input->body.len < sizeof text - 1 ? input->body.len : sizeof text - 1;
  memcpy(text, input->body.ptr, n);
  text[n] = 0;
  char *at = strchr(text, '[');            // the host has checked the schema
  float x[3] = {0};
  for (int i = 0; at && i < 3; i++) x[i] = strtof(at + 1, &at);
  exports_scorebox_scoring_scorer_invocation_free(call);
  exports_scorebox_scoring_scorer_payload_free(input);
  if (x[0] < 0) {
    memset(err, 0, sizeof *err);
    err->tag = SCOREBOX_SCORING_TYPES_SCORE_ERROR_REJECTED;
    scorer_bytes_string_dup(&err->val.rejected.code, "negative-income");
    scorer_bytes_string_dup(&err->val.rejected.message, "the first feature is negative");
    return false;
  }
  float dot = intercept;
  for (int i = 0; i < 3; i++) dot += x[i] * coef[i];
  char answer[64];
  int len = snprintf(answer, sizeof answer, "{\"probability\":%.8g}", 1.0 / (1.0 + exp(-dot)));
  memset(ret, 0, sizeof *ret);
  json_type(&ret->payload.content_type);
  ret->payload.body.ptr = malloc(len);
  ret->payload.body.len = len;
  memcpy(ret->payload.body.ptr, answer, len);
  return true;
}
