// A stand-in for the host, for tests on Node. `testing.d.ts` documents every name.
//
// Owns the stand-ins of every interface, and calls of a scorer as the host makes them. Must not know
// sockets, Redis or an engine for graphs: a test gives a function for these.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';

import { host as table } from '#host';
import { ScoreError, Failed, Rejected, Unavailable } from './errors.js';
import { Invocation, json } from './scorer.js';
import { packed, sizeOf, tensor, view } from './tensor.js';
import { decode, encode } from './text.js';

/** Returns an error in the form in which engines throw the errors of the host's functions. */
const failure = (tag, val) => Object.assign(new Error(tag), { payload: { tag, val } });

/** Calls `use`. While it runs, `interfaces` replaces the table of the host's interfaces. */
function within(interfaces, use) {
  const before = { ...table };
  const replace = (next) => {
    for (const name of Object.keys(table)) delete table[name];
    Object.assign(table, next);
  };
  replace(interfaces);
  try {
    return use();
  } finally {
    replace(before);
  }
}

export class Host {
  #always;
  #all;
  #snapshot;

  constructor({ model = {}, files = {}, config = {}, labels = {}, stores = ['default'], graphs = {}, redis, snapshot = true, clock = Date.now } = {}) {
    this.lines = [];
    this.measurements = [];
    this.stores = Object.fromEntries(stores.map((name) => [name, new Store(clock)]));
    this.#snapshot = snapshot;
    const read = readModel(model);
    this.#always = {
      model: modelOf(read.tensors, { ...read.files, ...files }, labels),
      logging: { log: (level, context, message) => this.lines.push({ level, message }) },
    };
    const measure = (kind) => (name, value, attributes) =>
      this.measurements.push({ kind, name, value: Number(value), attributes: Object.fromEntries(attributes) });
    this.#all = {
      ...this.#always,
      config: { get: (name) => config[name], getAll: () => Object.entries(config) },
      metrics: { count: measure('count'), recordValue: measure('value') },
      graphs: graphsOf(graphs),
      ...storesOf(this.stores),
      redis: redisOf(this.stores, redis),
    };
  }

  /** Calls `use`, which may use every capability of the host, and returns its result. */
  with(use) {
    return within(this.#all, use);
  }

  /** Creates an instance as the host does: `describe`, then `init`. */
  start(scorer) {
    const signature = within({ nothing: null }, () => scorer.describe());
    within(this.#snapshot ? this.#always : this.#all, () => raised(() => scorer.init(), 'failed'));
    return new Instance(this, scorer, signature);
  }
}

class Instance {
  #host;
  #scorer;

  constructor(host, scorer, signature) {
    this.#host = host;
    this.#scorer = scorer;
    this.signature = signature;
  }

  /** Scores one request, and returns the answer as a caller reads it. */
  run(request, call) {
    const found = this.answer(request, call);
    if (found.payload === undefined) return found;
    const { contentType, body } = found.payload;
    return contentType === 'application/json' ? JSON.parse(decode(body)) : found.payload;
  }

  /** Scores one request, and returns the answer with its status and headers. */
  answer(request, call = {}) {
    const facts = lowered(new Invocation(call));
    if (Array.isArray(this.signature.inputs)) {
      const inputs = this.signature.inputs.map((port) => input(port, request[port.name]));
      const outputs = this.#host.with(() => raised(() => this.#scorer.run([facts], inputs)));
      const lifted = outputs.map(({ name, dtype, shape, data }) => ({ name, dtype, shape: [...shape], values: view(dtype, data) }));
      return Object.fromEntries(lifted.map((one) => [one.name, one]));
    }
    const payload = request?.body instanceof Uint8Array ? request : json(request);
    const { payload: body, status, headers } = this.#host.with(() => raised(() => this.#scorer.run(facts, payload)));
    return { payload: body, status, headers: Object.fromEntries(headers) };
  }

  /** Scores the first example of the signature, which every scorer must answer. */
  example() {
    const examples = this.signature.examples ?? this.signature.input.examples;
    const { value } = examples[0];
    return this.run(this.signature.examples ? JSON.parse(decode(value.body)) : value);
  }
}

/** Calls `call`, and converts a `score-error` of the WIT to the class that the author threw. */
function raised(call, tag) {
  try {
    return call();
  } catch (error) {
    const { tag: found = tag, val = error } = error ?? {};
    if (typeof val?.code !== 'string' || error instanceof ScoreError) throw error;
    const Type = { rejected: Rejected, unavailable: Unavailable, failed: Failed }[found];
    throw new Type(val.code, val.message, val.detail);
  }
}

function lowered({ attributes, ...facts }) {
  const tag = (value) => (value === null ? 'null' : { string: 'text', boolean: 'boolean', bigint: 'integer' }[typeof value] ?? (Number.isInteger(value) ? 'integer' : 'number'));
  return { ...facts, attributes: attributes.map(([name, value]) => [name, { tag: tag(value), val: value }]) };
}

function input({ name, dtype, shape }, value) {
  const found = [];
  for (let level = value; Array.isArray(level); [level] = level) found.push(level.length);
  const fits = found.length === shape.length && shape.every((size, axis) => size == null || Number(size) === found[axis]);
  if (!fits) throw new Error(`\`${name}\` has the shape [${found}], and its port the shape [${shape}]`);
  return { name, dtype, shape: found, data: packed(dtype, value.flat(Infinity)) };
}

function readModel(model) {
  if (typeof model !== 'string') {
    const entries = Object.entries(model).map(([name, value]) =>
      value.dtype ? [name, { ...value, name }] : [name, tensor(name, Array.from(value))],
    );
    return { tensors: Object.fromEntries(entries), files: {} };
  }
  const files = {};
  const base = statSync(model).isDirectory() ? model : undefined;
  for (const path of walk(model)) {
    files[base ? relative(base, path).split(sep).join('/') : basename(path)] = new Uint8Array(readFileSync(path));
  }
  const weights = Object.entries(files).filter(([name]) => name.endsWith('.safetensors'));
  return { tensors: Object.assign({}, ...weights.map(([, bytes]) => safetensors(bytes))), files };
}

function walk(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).sort().flatMap((name) => walk(join(path, name)));
}

function safetensors(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(decode(bytes.subarray(8, 8 + length)));
  delete header.__metadata__;
  const body = bytes.subarray(8 + length);
  return Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape, data_offsets: [start, end] }]) => {
      const type = dtype.toLowerCase();
      return [name, { name, dtype: type, shape, values: view(type, body.slice(start, end)) }];
    }),
  );
}

function modelOf(tensors, files, labels) {
  const info = ({ name, dtype, shape }) => ({ name, dtype, shape });
  class Tensor {
    constructor(held) {
      this.held = held;
      this.data = packed(held.dtype, held.values);
      this.size = sizeOf(held.dtype);
    }
    static open(name) {
      if (!(name in tensors)) throw failure('not-found', name);
      return new Tensor(tensors[name]);
    }
    info() {
      return info(this.held);
    }
    bytes(start, count) {
      if ((start + count) * this.size > this.data.length) throw failure('out-of-range');
      return this.data.slice(start * this.size, (start + count) * this.size);
    }
    floats(start, count) {
      if (!/^(f16|bf16|f32|f64)$/.test(this.held.dtype)) throw failure('wrong-type', this.held.dtype);
      return Float32Array.from(view(this.held.dtype, this.bytes(start, count)));
    }
    rows(indices) {
      const width = this.held.values.length / this.held.shape[0];
      return Float32Array.from(indices.flatMap((index) => {
        if (index >= this.held.shape[0]) throw failure('out-of-range');
        return [...this.floats(index * width, width)];
      }));
    }
  }
  return {
    Tensor,
    info: () => ({ name: 'test', version: '', digest: `sha256:${'0'.repeat(64)}`, labels: Object.entries(labels) }),
    tensors: () => Object.keys(tensors).sort().map((name) => info(tensors[name])),
    files: () => Object.keys(files).sort(),
    readFile(name, start, count) {
      if (!(name in files)) throw failure('not-found', name);
      if (start > files[name].length) throw failure('out-of-range');
      return files[name].slice(start, start + count);
    },
  };
}

/** A store of keys and values in memory. Tests may write and read its `values`. */
class Store {
  #clock;
  #ends = new Map();

  constructor(clock) {
    this.values = new Map();
    this.isAway = false;
    this.#clock = clock;
  }

  get(key) {
    if (this.isAway) throw failure('other', 'the store cannot be reached now: a test says so');
    if (this.#ends.get(key) <= this.#clock()) this.values.delete(key);
    return this.values.get(key);
  }
  put(key, value, ttl) {
    this.get(key);
    this.values.set(key, value);
    this.expire(key, ttl);
  }
  set(key, value) {
    this.put(key, value);
  }
  expire(key, ttl) {
    this.#ends.delete(key);
    if (ttl !== undefined) this.#ends.set(key, this.#clock() + ttl);
  }
  lifetime(key) {
    if (this.get(key) === undefined) return { tag: 'absent' };
    const end = this.#ends.get(key);
    return end === undefined ? { tag: 'unlimited' } : { tag: 'remaining', val: end - this.#clock() };
  }
  delete(key) {
    this.get(key);
    this.values.delete(key);
  }
  exists(key) {
    return this.get(key) !== undefined;
  }
  listKeys() {
    const keys = [...this.values.keys()].filter((key) => this.exists(key));
    return { keys, cursor: undefined };
  }
}

function storesOf(stores) {
  const add = (bucket, key, delta, ttl) => {
    const held = bucket.get(key);
    const sum = Number(held === undefined ? 0 : decode(held)) + delta;
    if (!Number.isSafeInteger(sum)) throw failure('other', 'the value is not a whole number');
    if (held === undefined) bucket.put(key, encode(String(sum)), ttl);
    else bucket.values.set(key, encode(String(sum)));
    return sum;
  };
  class Cas {
    constructor(bucket, key) {
      Object.assign(this, { bucket, key, seen: bucket.get(key) });
    }
    static new(bucket, key) {
      return new Cas(bucket, key);
    }
    current() {
      return this.seen;
    }
  }
  return {
    keyvalue: {
      open(name) {
        if (!(name in stores)) throw failure('no-such-store');
        return stores[name];
      },
    },
    cache: {
      set(bucket, key, value, { ttlMs, condition }) {
        if (condition !== 'always' && bucket.exists(key) !== (condition === 'if-present')) return false;
        bucket.put(key, value, ttlMs);
        return true;
      },
      setMany: (bucket, entries, ttl) => entries.forEach(([key, value]) => bucket.put(key, value, ttl)),
      increment: add,
      lifetimeOf: (bucket, key) => bucket.lifetime(key),
      touch(bucket, key, ttl) {
        if (!bucket.exists(key)) return false;
        bucket.expire(key, ttl);
        return true;
      },
    },
    atomics: {
      Cas,
      increment: add,
      swap(cas, value) {
        let newer;
        try {
          if (cas.bucket.get(cas.key) === cas.seen) cas.bucket.set(cas.key, value);
          else newer = new Cas(cas.bucket, cas.key);
        } catch (error) {
          throw failure('store-error', error.payload);
        }
        if (newer !== undefined) throw failure('cas-failed', newer);
      },
    },
    batch: {
      getMany: (bucket, keys) => keys.map((key) => (bucket.exists(key) ? [key, bucket.get(key)] : undefined)),
      deleteMany: (bucket, keys) => keys.forEach((key) => bucket.delete(key)),
    },
  };
}

function graphsOf(graphs) {
  const lift = ({ name, shape, elements: { tag, val } }) =>
    tag === 'texts' ? { name, dtype: 'text', shape, values: val } : { name, dtype: val[0], shape, values: view(val[0], val[1]) };
  const lower = ([name, { dtype, shape, values }]) => ({
    name,
    shape,
    elements: dtype === 'text' ? { tag: 'texts', val: values } : { tag: 'plain', val: [dtype, packed(dtype, values)] },
  });
  return {
    list: () => Object.keys(graphs).sort().map((name) => ({ name, inputs: [], outputs: [] })),
    compute(graph, inputs) {
      if (!(graph in graphs)) throw failure('not-found', graph);
      const outputs = graphs[graph](Object.fromEntries(inputs.map((one) => [one.name, lift(one)])));
      return Object.entries(outputs).map(lower);
    },
  };
}

function redisOf(stores, answer) {
  const reply = (value) => {
    const nodes = [];
    const add = (item) => {
      const kinds = { string: 'text', boolean: 'boolean', bigint: 'integer' };
      let node;
      if (item === null || item === undefined) node = { tag: 'nil' };
      else if (item instanceof Uint8Array) node = { tag: 'bytes', val: item };
      else if (Array.isArray(item)) node = { tag: 'array', val: item.map(add) };
      else if (item instanceof Map) node = { tag: 'map', val: [...item].map(([key, inner]) => [add(key), add(inner)]) };
      else node = { tag: kinds[typeof item] ?? (Number.isInteger(item) ? 'integer' : 'double'), val: item };
      nodes.push(node);
      return nodes.length - 1;
    };
    const root = add(value);
    return { nodes, root };
  };
  class Connection {
    static open(name) {
      if (!(name in stores)) throw failure('no-such-connection');
      return new Connection();
    }
    execute(command) {
      if (!answer) throw failure('server', 'the test has no function for raw commands: new Host({ redis })');
      return reply(answer(...command.map(decode)));
    }
    pipeline(commands) {
      return commands.map((command) => ({ tag: 'ok', val: this.execute(command) }));
    }
    transaction(commands) {
      return commands.map((command) => this.execute(command));
    }
  }
  return { Connection };
}
