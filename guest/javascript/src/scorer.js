// The exports of a component, made of the author's functions: of payloads, of JSON or of tensors.
//
// Owns the conversion between the types of the contract and those of this package. Must not know what
// a scorer computes.

import { wide } from '#host';
import { Rejected, Failed, ScoreError } from './errors.js';
import { narrow, narrowAll, reach } from './interfaces.js';
import { packed, view } from './tensor.js';
import { decode, encode } from './text.js';
import { shown } from './trace.js';

const JSON_TYPE = 'application/json';
// Setting of [config] that sends stack traces to callers. It is for development.
const TRACEBACKS = 'scorebox-tracebacks';

/**
 * Returns a value as a JSON payload. Typed arrays of numbers become lists. Throws `Failed` for NaN
 * and infinity, and for a value that is not JSON, such as undefined.
 */
export function json(value) {
  const text = JSON.stringify(value, (key, item) => {
    // JSON would have null for these, which a caller takes for a missing value.
    if (typeof item === 'number' && !Number.isFinite(item)) throw notJson(`\`${key}\` is ${item}`);
    return ArrayBuffer.isView(item) ? Array.from(item) : item;
  });
  if (text === undefined) throw notJson('the value is not JSON');
  return { contentType: JSON_TYPE, body: encode(text) };
}

const notJson = (detail) => new Failed('json', 'the scorer could not write its answer as JSON', detail);

/** Returns an answer with a status and headers. `value` becomes JSON, unless it is a payload. */
export function answer(value, { status, headers = {} } = {}) {
  return { payload: isPayload(value) ? value : json(value), status, headers: Object.entries(headers) };
}

const isPayload = (value) => value?.body instanceof Uint8Array && typeof value.contentType === 'string';

/** Converts the result of a scorer's `run` to the record `answer` of the WIT. */
function answered(value) {
  if (isPayload(value?.payload)) return { status: undefined, headers: [], ...value };
  return answer(value);
}

/** Makes a scorer of payloads. The `run` of `author` takes a call and a payload. */
export function scorer(author) {
  return payloads(author, (payload) => payload);
}

/** Makes a scorer of JSON. The `run` of `author` takes a call and the value of the JSON body. */
export function jsonScorer(author) {
  return payloads(author, (payload) => {
    try {
      return JSON.parse(decode(payload.body));
    } catch (error) {
      throw new Rejected('invalid-json', `the body is not JSON: ${error.message}`);
    }
  });
}

function payloads(author, read) {
  return {
    describe() {
      const found = author.describe?.() ?? {};
      const types = found.contentTypes ?? [JSON_TYPE];
      const output = found.output ?? {};
      return {
        input: side(types, found.schema, found.example),
        output: side(output.contentTypes ?? types, output.schema, output.example),
        deterministic: found.deterministic ?? false,
      };
    },
    init: () => initialised(author),
    run: (call, input) => caught(() => answered(author.run(invocation(call), read(input)))),
  };
}

function side(contentTypes, schema, example) {
  const examples = example === undefined ? [] : [{ name: 'one', value: isPayload(example) ? example : json(example) }];
  return { contentTypes, jsonSchema: typeof schema === 'object' ? JSON.stringify(schema) : schema, examples };
}

/** Makes a scorer of tensors. The `run` of `author` takes calls and inputs, and returns outputs. */
export function tensorScorer(author) {
  const lists = (shape) => shape.map((size) => (size == null ? undefined : wide(size)));
  const sizes = (shape) => {
    const list = Array.from(shape, wide);
    return typeof wide(0) === 'bigint' ? BigUint64Array.from(list) : list;
  };
  return {
    describe() {
      const { inputs, outputs, batchable = false, deterministic = false, example } = author.describe();
      return {
        inputs: inputs.map(({ name, dtype, shape, missing = false, boolean = false, columns = [] }) => ({
          name,
          dtype,
          shape: lists(shape),
          missing,
          boolean,
          columns,
        })),
        outputs: outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape: lists(shape) })),
        batchable,
        deterministic,
        examples: example === undefined ? [] : [{ name: 'one', value: json(example) }],
      };
    },
    init: () => initialised(author),
    run: (calls, inputs) =>
      caught(() => {
        const lifted = Array.from(inputs, ({ name, dtype, shape, data }) => ({
          name,
          dtype,
          shape: narrowAll(shape),
          values: view(dtype, data),
        }));
        const outputs = author.run(Array.from(calls, invocation), lifted);
        return outputs.map(({ name, dtype, shape, values }) => ({
          name,
          dtype,
          shape: sizes(shape),
          data: packed(dtype, values),
        }));
      }),
  };
}

function initialised(author) {
  try {
    author.init?.();
  } catch (error) {
    throw problem(error, false);
  }
}

/** Calls the author's code, and converts an error that it throws to a `score-error` of the WIT. */
function caught(call) {
  try {
    return call();
  } catch (error) {
    // Thrown as it is, so that the host ends the instance: its memory would never shrink.
    if (isOutOfMemory(error)) throw error;
    throw { tag: error instanceof ScoreError ? error.tag : 'failed', val: problem(error, true) };
  }
}

/** Returns true if StarlingMonkey or QuickJS threw `error` because it ran out of memory. */
const isOutOfMemory = (error) =>
  error === 'out of memory' || (error?.name === 'InternalError' && error.message === 'out of memory');

function problem(error, inCall) {
  if (error instanceof ScoreError) return { code: error.code, message: error.message, detail: error.detail };
  const text = shown(error);
  const message = 'the scorer threw an exception';
  return { code: 'exception', message: inCall && tellsCallers() ? `${message}: ${text}` : message, detail: text };
}

function tellsCallers() {
  try {
    return reach('config').get(TRACEBACKS) === 'answer';
  } catch {
    return false;
  }
}

/** Converts the record `invocation` of the WIT to an `Invocation`. */
function invocation({ id, source, attempt, deadlineMs, http, attributes }) {
  return new Invocation({
    id,
    source,
    attempt,
    deadlineMs: deadlineMs ?? undefined,
    http: http ?? undefined,
    attributes: Array.from(attributes, ([name, { tag, val }]) => [name, tag === 'null' ? null : narrow(val)]),
  });
}

/** The facts about one call. */
export class Invocation {
  constructor(facts = {}) {
    const given = { id: 'test', source: 'direct', attempt: 1, attributes: [] };
    Object.assign(this, given, facts);
  }

  /** Returns the value of the first attribute `name`, e.g. of an HTTP header in lower case. */
  attribute(name) {
    return this.attributes.find(([key]) => key === name)?.[1];
  }

  /** Returns the first parameter `name` in the query, decoded, or undefined if there is none. */
  parameter(name) {
    const pairs = (this.http?.query ?? '').split('&').map((pair) => pair.split('='));
    const found = pairs.find(([key]) => decoded(key) === name);
    return found && decoded(found.slice(1).join('='));
  }
}

function decoded(text) {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
