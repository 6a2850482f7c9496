// Credit risk: a logistic regression over three features.

#include "scorebox.h"

static float coef[3], intercept;

const char scorer_schema[] =
    "{\"type\": \"object\", \"required\": [\"features\"], \"additionalProperties\": false, \"properties\": {\"features\": "
    "{\"type\": \"array\", \"items\": {\"type\": \"number\"}, \"minItems\": 3, \"maxItems\": 3}}}";

// Runs once, when the image is built. Each instance starts with the memory as `init` left it.
result scorer_init(void) {
    if (model_floats("coef", coef, 3) && model_floats("intercept", &intercept, 1)) return ready();
    return failed("no-weights", "coef or intercept cannot be read");
}

// The host has checked the request against the schema.
result scorer_run(const char *request) {
    float features[3];
    if (!json_numbers(request, features, 3)) {
        return rejected("unreadable", "send one list of three numbers");
    }
    if (features[0] < 0) {
        return rejected("negative-income", "the first feature is negative");
    }
    float dot = intercept;
    for (int i = 0; i < 3; i++) {
        dot += features[i] * coef[i];
    }
    return answered("{\"probability\":%.8g}", 1.0 / (1.0 + exp(-dot)));
}
