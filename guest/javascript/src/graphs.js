// The graphs of the model: ONNX files that the host runs.
//
// Owns the description of graphs, and runs by name. Must not know the inference engine.

import { wide } from '#host';
import { ofGraph, translated } from './errors.js';
import { narrowAll, reach } from './interfaces.js';
import { packed, view } from './tensor.js';

const port = ({ name, element, shape, classes }) => ({
  name,
  dtype: element.tag === 'text' ? 'text' : element.val,
  shape: narrowAll(shape),
  classes: Array.from(classes),
});

/** Returns the descriptions of all graphs of the model, in the order of their names. */
export const all = () =>
  reach('graphs')
    .list()
    .map(({ name, inputs, outputs }) => ({ name, inputs: inputs.map(port), outputs: outputs.map(port) }));

/**
 * Runs a graph on one tensor for each of its inputs, and returns its outputs by name. `graph` is the
 * path of the file in the model, without `.onnx`. An input for which the file has a default value
 * may be left out. A tensor of texts has the dtype `text`. Throws `Failed` if the run fails.
 */
export function run(graph, inputs) {
  const outputs = translated(ofGraph, () => reach('graphs').compute(graph, inputs.map(lowered)));
  return Object.fromEntries(outputs.map((one) => [one.name, lifted(one)]));
}

function lowered({ name, dtype, shape, values }) {
  const elements =
    dtype === 'text'
      ? { tag: 'texts', val: Array.from(values) }
      : { tag: 'plain', val: [dtype, packed(dtype, values)] };
  const sizes = shape.map(wide);
  return { name, shape: typeof wide(0) === 'bigint' ? BigUint64Array.from(sizes) : sizes, elements };
}

function lifted({ name, shape, elements: { tag, val } }) {
  const sizes = narrowAll(shape);
  return tag === 'texts'
    ? { name, dtype: 'text', shape: sizes, values: val }
    : { name, dtype: val[0], shape: sizes, values: view(val[0], val[1]) };
}
