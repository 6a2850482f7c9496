// Credit risk in JavaScript for QuickJS, written against the WIT alone.
import { Tensor } from 'scorebox:scoring/model@0.2.0';

const schema = JSON.stringify({
  type: 'object', required: ['features'],
  properties: { features: { type: 'array', items: { type: 'number' }, minItems: 3, maxItems: 3 } },
});
const shape = (jsonSchema, examples) => ({ contentTypes: ['application/json'], jsonSchema, examples });
const ascii = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const text = (bytes) => String.fromCharCode(...bytes);
let coef, intercept;

export const scorer = {
  describe() {
    const one = { name: 'one', value: { contentType: 'application/json', body: ascii('{"features": [1, 2, 0.5]}') } };
    return { input: shape(schema, [one]), output: shape(undefined, []), deterministic: true };
  },
  init() {
    const read = (name, count) => {
      const tensor = Tensor.open(name);
      const values = tensor.floats(0, count);
      tensor[Symbol.dispose]();
      return values;
    };
    coef = read('coef', 3);
    intercept = read('intercept', 1)[0];
  },
  run(call, input) {
    const { features } = JSON.parse(text(input.body));
    if (features[0] < 0) {
      throw { tag: 'rejected', val: { code: 'negative-income', message: 'the first feature is negative', detail: undefined } };
    }
    const dot = features.reduce((sum, x, i) => sum + x * coef[i], intercept);
    const answer = { probability: Math.fround(1 / (1 + Math.exp(-dot))) };
    const payload = { contentType: 'application/json', body: ascii(JSON.stringify(answer)) };
    return { payload, status: undefined, headers: [] };
  },
};
