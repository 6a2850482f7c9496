// Credit risk: a logistic regression over three features.

import { Rejected, jsonScorer, model } from '@scorebox/guest';

const schema = {
  type: 'object',
  required: ['features'],
  properties: { features: { type: 'array', items: { type: 'number' }, minItems: 3, maxItems: 3 } },
};
let coef, intercept;

export const scorer = jsonScorer({
  // The host checks each request against the schema before it calls `run`.
  describe: () => ({ schema, example: { features: [1, 2, 0.5] }, deterministic: true }),

  init() {
    coef = new model.Tensor('coef').floats();
    [intercept] = new model.Tensor('intercept').floats();
  },

  run(call, { features }) {
    if (features[0] < 0) {
      throw new Rejected('negative-income', 'the first feature is negative');
    }
    const dot = features.reduce((sum, x, index) => sum + x * coef[index], intercept);
    return { probability: 1 / (1 + Math.exp(-dot)) };
  },
});
