// Tests without a host: `make test`. The scorer is compiled for this machine, with a model of the test.

#include "../risk.c"

#undef NDEBUG
#include <assert.h>

// The model of the test, in place of the one in `model/`.
bool model_floats(const char *name, float *values, size_t count) {
    static const float COEF[] = {0.8f, -0.4f, 1.5f}, INTERCEPT[] = {-1.0f};
    bool is_coef = strcmp(name, "coef") == 0;
    if (count > (is_coef ? 3 : 1) || (!is_coef && strcmp(name, "intercept") != 0)) return false;
    memcpy(values, is_coef ? COEF : INTERCEPT, count * sizeof *values);
    return true;
}

// Scores a request, and returns the probability.
static double scored(const char *request) {
    result answer = scorer_run(request);
    assert(answer.kind == OK);
    double probability = 0;
    assert(sscanf(answer.json, "{\"probability\":%lf}", &probability) == 1);
    free(answer.json);
    return probability;
}

static bool is_rejected(const char *request, const char *code) {
    result answer = scorer_run(request);
    return answer.kind == REJECTED && strcmp(answer.code, code) == 0;
}

int main(void) {
    assert(scorer_init().kind == OK);
    assert(fabs(scored("{\"features\": [1, 2, 0.5]}") - 0.437823504) < 1e-6);
    assert(fabs(scored("{\"features\":\n[ 1e0 , 2 ,\t0.5 ]}") - 0.437823504) < 1e-6);
    assert(is_rejected("{\"features\": [-1, 2, 0.5]}", "negative-income"));
    assert(is_rejected("{\"features\": [1, 2]}", "unreadable"));
    assert(is_rejected("{\"features\": [ , 2, 0.5]}", "unreadable"));
    assert(is_rejected("{\"features\": [1, 2, 1e99]}", "unreadable"));
    assert(is_rejected("{\"features\": [1, 2, 0.5], \"features\": [3, 4, 5]}", "unreadable"));
    puts("all tests passed");
    return 0;
}
