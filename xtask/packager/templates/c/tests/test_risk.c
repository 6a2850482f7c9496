// Tests without a host: `make test`. The scorer is compiled for this machine, with a model of the test.

#include "../risk.c"

#undef NDEBUG
#include <assert.h>

// The functions of the host that the scorer calls. A handle is the place of a tensor in the model, and 0 is none.
static const struct {
    const char *name;
    float values[3];
} MODEL[] = {{"", {0}}, {"coef", {0.8f, -0.4f, 1.5f}}, {"intercept", {-1.0f}}};

bool scorebox_scoring_model_static_tensor_open(scorer_bytes_string_t *name, scorebox_scoring_model_own_tensor_t *ret,
                                               scorebox_scoring_model_error_t *err) {
    (void)err;
    for (int i = 1; i < 3; i++) {
        ret->__handle = i;
        if (strlen(MODEL[i].name) == name->len && memcmp(MODEL[i].name, name->ptr, name->len) == 0) return true;
    }
    return false;
}

bool scorebox_scoring_model_method_tensor_floats(scorebox_scoring_model_borrow_tensor_t self, uint64_t start, uint64_t count,
                                                 scorer_bytes_list_f32_t *ret, scorebox_scoring_model_error_t *err) {
    (void)err;
    ret->len = count;
    ret->ptr = malloc(count * sizeof(float));
    memcpy(ret->ptr, MODEL[self.__handle].values + start, count * sizeof(float));
    return true;
}

scorebox_scoring_model_borrow_tensor_t scorebox_scoring_model_borrow_tensor(scorebox_scoring_model_own_tensor_t handle) {
    return (scorebox_scoring_model_borrow_tensor_t){handle.__handle};
}

void scorebox_scoring_model_tensor_drop_own(scorebox_scoring_model_own_tensor_t handle) { (void)handle; }

// The functions of the bindings that the scorer calls.
void scorer_bytes_string_set(scorer_bytes_string_t *ret, const char *s) {
    ret->ptr = (uint8_t *)s;
    ret->len = strlen(s);
}

void scorer_bytes_string_dup(scorer_bytes_string_t *ret, const char *s) {
    ret->len = strlen(s);
    ret->ptr = memcpy(malloc(ret->len), s, ret->len);
}

void scorer_bytes_list_f32_free(scorer_bytes_list_f32_t *list) { free(list->ptr); }
void exports_scorebox_scoring_scorer_invocation_free(exports_scorebox_scoring_scorer_invocation_t *call) { (void)call; }
void exports_scorebox_scoring_scorer_payload_free(exports_scorebox_scoring_scorer_payload_t *input) { (void)input; }

// Scores a body. Returns the probability, or -1 if the body is rejected.
static double scored(const char *body) {
    exports_scorebox_scoring_scorer_invocation_t call = {0};
    exports_scorebox_scoring_scorer_payload_t input = {0};
    input.body.ptr = (uint8_t *)body;
    input.body.len = strlen(body);
    exports_scorebox_scoring_scorer_answer_t answer;
    exports_scorebox_scoring_scorer_score_error_t error;
    if (!exports_scorebox_scoring_scorer_run(&call, &input, &answer, &error)) {
        assert(error.tag == SCOREBOX_SCORING_TYPES_SCORE_ERROR_REJECTED);
        return -1;
    }
    char text[64] = {0};
    assert(answer.payload.body.len < sizeof text);
    memcpy(text, answer.payload.body.ptr, answer.payload.body.len);
    double probability = 0;
    assert(sscanf(text, "{\"probability\":%lf}", &probability) == 1);
    return probability;
}

int main(void) {
    exports_scorebox_scoring_scorer_problem_t problem;
    assert(exports_scorebox_scoring_scorer_init(&problem));
    assert(fabs(scored("{\"features\": [1, 2, 0.5]}") - 0.437823504) < 1e-6);
    assert(fabs(scored("{\"features\":\n[ 1e0 , 2 ,\t0.5 ]}") - 0.437823504) < 1e-6);
    assert(scored("{\"features\": [-1, 2, 0.5]}") == -1);
    puts("all tests passed");
    return 0;
}
