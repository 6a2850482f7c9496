// The types of @scorebox/guest, the SDK for scorers in JavaScript and TypeScript.

/** An element type, with its name in safetensors in lower case. */
export type Dtype =
  'bool' | 'u8' | 'i8' | 'u16' | 'i16' | 'f16' | 'bf16' | 'u32' | 'i32' | 'f32' | 'u64' | 'i64' | 'f64';

/** Elements of a tensor in row-major order. `f16` and `bf16` are Float32Array, `bool` is Uint8Array. */
export type Elements =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** Bytes with a media type. */
export interface Payload {
  contentType: string;
  body: Uint8Array;
}

/** A payload with the status and the headers of the HTTP answer. Make one with `answer`. */
export interface Answer {
  payload: Payload;
  status?: number;
  headers?: [string, string][];
}

/** The event that caused a call. */
export type Source = 'http' | 'blob' | 'service-bus' | 'storage-queue' | 'direct' | 'warm-up';

/** The value of an attribute, with the type that the platform reported. */
export type AttributeValue = null | boolean | number | bigint | string;

/** The request line of an HTTP call. Parameters that hold a key are not in the query. */
export interface HttpRequest {
  method: string;
  path: string;
  query: string;
}

/** The facts about one call. */
export class Invocation {
  constructor(facts?: Partial<Pick<Invocation, 'id' | 'source' | 'attempt' | 'deadlineMs' | 'http' | 'attributes'>>);
  /** The id of the call, for its log lines. An HTTP client can choose it, so it may not be unique. */
  readonly id: string;
  readonly source: Source;
  /** The number of the delivery of a message. 1 for the first one, and if none is reported. */
  readonly attempt: number;
  /** Time in milliseconds from the start of `run` until the host interrupts the scorer. */
  readonly deadlineMs?: number;
  readonly http?: HttpRequest;
  /** Facts such as HTTP headers, blob metadata or message properties. Names may repeat. */
  readonly attributes: [string, AttributeValue][];
  /** Returns the value of the first attribute `name`, or undefined if there is none. */
  attribute(name: string): AttributeValue | undefined;
  /** Returns the first parameter `name` in the query, decoded, or undefined if there is none. */
  parameter(name: string): string | undefined;
}

/** The input or the output of a scorer: its media types, its schema and an example. */
export interface Side {
  /**
   * Media types that are accepted or returned. An empty list means any. The default of the input is
   * `application/json`. That of the output is the list of the input.
   */
  contentTypes?: string[];
  /** JSON Schema (2020-12). The host answers 400 to input that does not conform. */
  schema?: object | string;
  /** An example: a payload, or a value for JSON. `run` must answer an example of an input. */
  example?: unknown;
}

/** The contract of a scorer with its callers. The fields of `Side` describe the input. */
export interface Signature extends Side {
  output?: Side;
  /** True if equal inputs always give equal answers, whatever the facts about the call are. */
  deterministic?: boolean;
}

/** The functions of a scorer. `describe` may not use a capability of the host. */
export interface Author<Input> {
  describe?(): Signature;
  /**
   * Prepares the instance. By default, it runs when the app is built, and may only read the model
   * and write to the log. Without a snapshot, e.g. with `snapshot = false` under `[scorer]` in
   * scorebox.toml, it runs for every new instance and may use every capability.
   */
  init?(): void;
  /** Scores one input. Returns an `Answer`, a `Payload`, or a value that becomes JSON. */
  run(call: Invocation, input: Input): unknown;
}

/** An object that a component exports under the name `scorer`. */
export interface ScorerExport {
  describe(): unknown;
  init(): void;
  run(call: unknown, input: unknown): unknown;
}

/** An object that a component exports under the name `tensorScorer`. */
export interface TensorScorerExport {
  describe(): unknown;
  init(): void;
  run(calls: unknown[], inputs: unknown[]): unknown;
}

/** Makes a scorer of payloads. Export the result as `scorer`. */
export function scorer(author: Author<Payload>): ScorerExport;

/** Makes a scorer whose `run` takes the value of a JSON body. Export the result as `scorer`. */
export function jsonScorer<Input = any>(author: Author<Input>): ScorerExport;

/** Makes a scorer of tensors. Export the result as `tensorScorer`. */
export function tensorScorer(author: TensorAuthor): TensorScorerExport;

/** A named output of a tensor scorer. `null` in the shape is a dimension of any size. */
export interface Port {
  name: string;
  dtype: Dtype;
  shape: (number | null)[];
}

/** A named input of a tensor scorer, with facts about its values and its columns. */
export interface InputPort extends Port {
  /** True if callers may send `null` for a number. The scorer gets NaN for it. */
  missing?: boolean;
  /** True if callers may send `true` and `false` for 1 and 0. */
  boolean?: boolean;
  /** Names of the columns of a port with two dimensions. */
  columns?: string[];
}

/** The contract of a tensor scorer with its callers. */
export interface TensorSignature {
  inputs: InputPort[];
  outputs: Port[];
  /**
   * True if axis 0 of every port is a batch of independent rows. The first dimension of every port
   * must then be `null`.
   */
  batchable?: boolean;
  deterministic?: boolean;
  /** An example of the value that a caller posts as JSON, such as `{ x: [[1, 2]] }`. */
  example?: unknown;
}

/** A dense tensor with the name of its port. */
export interface Tensor {
  name: string;
  dtype: Dtype;
  shape: number[];
  values: Elements;
}

/** A tensor of texts, which only graphs have. */
export interface Texts {
  name: string;
  dtype: 'text';
  shape: number[];
  values: string[];
}

/** The functions of a scorer of tensors. */
export interface TensorAuthor {
  describe(): TensorSignature;
  init?(): void;
  /**
   * Scores the tensors of one call, or the joined rows of several calls. Returns one tensor for each
   * output port, in any order.
   */
  run(calls: Invocation[], inputs: Tensor[]): (Tensor | OutputTensor)[];
}

/** A tensor of an answer. If `values` are not of the type `dtype`, they are converted to it. */
export interface OutputTensor {
  name: string;
  dtype: Dtype;
  shape: number[];
  values: Elements | number[] | bigint[] | boolean[];
}

/**
 * Returns a tensor with the name of its port. By default, `dtype` is the type of the typed array,
 * or `f32` for another array, and `shape` is one dimension with the number of values. Throws
 * `Failed` if the number of values does not fit the shape.
 */
export function tensor(
  name: string,
  values: Elements | number[] | bigint[] | boolean[],
  options?: { shape?: number[]; dtype?: Dtype },
): OutputTensor;

/**
 * Returns a value as a JSON payload. Typed arrays of numbers become lists. Throws `Failed` for NaN
 * and infinity, and for a value that is not JSON, such as undefined.
 */
export function json(value: unknown): Payload;

/** Returns an answer with a status and headers. `value` becomes JSON, unless it is a payload. */
export function answer(value: unknown, options?: { status?: number; headers?: Record<string, string> }): Answer;

/** The reason why a call has no answer. `code` is in kebab-case. The caller gets `message`. */
export class ScoreError extends Error {
  constructor(code: string, message: string, detail?: string);
  readonly code: string;
  /** Text for the log. The caller does not get it. */
  readonly detail?: string;
}

/**
 * This input can never be scored. HTTP answers 422. If a message started the call and its trigger
 * has the setting `park`, the message is completed, and a record of it goes to the place that
 * `park` names. Otherwise it is delivered again.
 */
export class Rejected extends ScoreError {}

/**
 * A later call may succeed. HTTP answers 503. If a message started the call, the message is
 * delivered again. After its last delivery, it is handled as after `Rejected` if its trigger has
 * the setting `park`.
 */
export class Unavailable extends ScoreError {}

/**
 * The scorer is at fault. HTTP answers 500. A message is handled as after `Unavailable`. After the
 * codes `store-command` and `store-denied`, it is handled as after `Rejected`.
 */
export class Failed extends ScoreError {}

/** The model that ships with the scorer: its tensors and its files. */
export namespace model {
  /** A tensor of the model, which the host holds. Only the parts that are read are copied. */
  class Tensor {
    /** Finds a tensor by its name. Throws `Failed` if the model has none of this name. */
    constructor(name: string);
    readonly name: string;
    readonly dtype: Dtype;
    readonly shape: number[];
    /** Number of elements. */
    readonly length: number;
    /**
     * Returns `count` elements of the tensor's own type from the flat, row-major index `start`. The
     * default of `count` is all that follow. Elements of f16 and bf16 become `f32`. Throws `Failed`
     * if the range is not within the tensor.
     */
    values(start?: number, count?: number): Elements;
    /**
     * Returns elements as `f32`, with the arguments of `values`. Throws `Failed` if the range is not
     * within the tensor, or if the tensor does not have a floating-point type.
     */
    floats(start?: number, count?: number): Float32Array;
    /**
     * Returns the rows of axis 0 with these indices, one after the other, as `f32`. Throws `Failed`
     * if they cannot be read, e.g. because an index is not within axis 0.
     */
    rows(indices: Iterable<number>): Float32Array;
  }
  /** Returns facts about the model. */
  function info(): { name: string; version: string; digest: string; labels: Record<string, string> };
  /** Returns the descriptions of all tensors, in the order of their names. */
  function tensors(): { name: string; dtype: Dtype; shape: number[] }[];
  /** Returns the names of the model's files. `/` separates folders. */
  function files(): string[];
  /**
   * Returns `count` bytes of a file from the byte `start`, or fewer if the file ends before. The
   * default of `count` is the rest of the file. Throws `Failed` if the bytes cannot be read, e.g.
   * because the model has no such file.
   */
  function readFile(name: string, start?: number, count?: number): Uint8Array;
}

/** The graphs of the model: ONNX files that the host runs. */
export namespace graphs {
  interface GraphPort {
    name: string;
    dtype: Dtype | 'text';
    shape: (number | null)[];
    classes: string[];
  }
  /** Returns the descriptions of all graphs of the model. */
  function all(): { name: string; inputs: GraphPort[]; outputs: GraphPort[] }[];
  /**
   * Runs a graph on one tensor for each of its inputs, and returns its outputs by name. `graph` is
   * the path of the file in the model, without `.onnx`. An input for which the file has a default
   * value may be left out. Throws `Failed` if the run fails.
   */
  function run(graph: string, inputs: (Tensor | OutputTensor | Texts)[]): Record<string, Tensor | Texts>;
}

/**
 * A store of scorebox.toml. The times until a key expires (`ttl`) are in seconds. If an operation
 * may succeed later, e.g. because the store does not answer, the methods throw `Unavailable`. If it
 * cannot, they throw `Failed`.
 */
export class Bucket {
  /** Chooses a store, which is opened when it is first used. The default is `default`. */
  constructor(name?: string);
  readonly name: string;
  get(key: string): Uint8Array | undefined;
  getText(key: string): string | undefined;
  getJson<Value = any>(key: string): Value | undefined;
  /**
   * Writes the value of a key. Returns false, and writes nothing, if `onlyIf` does not hold: the
   * key must not exist (`absent`), or it must exist (`present`).
   */
  set(key: string, value: Uint8Array | string, options?: { ttl?: number; onlyIf?: 'absent' | 'present' }): boolean;
  setJson(key: string, value: unknown, options?: { ttl?: number; onlyIf?: 'absent' | 'present' }): boolean;
  delete(key: string): void;
  exists(key: string): boolean;
  keys(): string[];
  getMany(keys: Iterable<string>): Map<string, Uint8Array>;
  setMany(entries: Map<string, Uint8Array | string> | Record<string, Uint8Array | string>, options?: { ttl?: number }): void;
  deleteMany(keys: Iterable<string>): void;
  /**
   * Adds `delta` to the counter of a key atomically, and returns the sum. The counter of a key that
   * does not exist starts at 0, and expires after `ttl`. Without `ttl`, the store's `default_ttl`
   * applies.
   */
  increment(key: string, delta?: number, options?: { ttl?: number }): number;
  /** Returns the seconds until a key expires: Infinity if never, undefined if it does not exist. */
  lifetime(key: string): number | undefined;
  /**
   * Makes a key expire after `ttl` seconds, or never without `ttl`. Returns false if the key does
   * not exist.
   */
  touch(key: string, ttl?: number): boolean;
  /**
   * Replaces the value of a key with the result of `change` atomically, and returns it. If another
   * caller writes in between, `change` is called again, at most `attempts` times in all. After that,
   * throws `Unavailable` with the code `store-busy`.
   */
  update(key: string, change: (held: Uint8Array | undefined) => Uint8Array | string, attempts?: number): Uint8Array;
}

/** An error that Redis gave inside a reply, e.g. for one command of a transaction. */
export class Fault extends Error {}

/** A value in a reply of Redis. */
export type Reply = null | boolean | number | bigint | string | Uint8Array | Fault | Reply[] | Map<Reply, Reply>;

/** The name of a Redis command, or one of its arguments. */
export type Word = string | number | bigint | Uint8Array;

/** A connection to a store of scorebox.toml, for the Redis commands that its `commands` lists. */
export class Connection {
  constructor(name?: string);
  readonly name: string;
  /** Sends one command, e.g. `execute('HGET', 'user', 'age')`, and returns the reply. */
  execute(...words: Word[]): Reply;
  /**
   * Sends several commands together, and returns their replies in order. If a command fails, the
   * array has a `ScoreError` in place of its reply.
   */
  pipeline(commands: Word[][]): (Reply | ScoreError)[];
  /**
   * Executes commands between MULTI and EXEC, and returns their replies. No command of another
   * client is executed in between. If a command fails while it is executed, its reply is a `Fault`,
   * and the other commands take effect.
   */
  transaction(commands: Word[][]): Reply[];
}

/** Writes lines of the host's log, under the id of the call. */
export const log: Record<'trace' | 'debug' | 'info' | 'warn' | 'error', (message: unknown) => void>;

/** Measurements, which the host writes to its log as events. */
export const metrics: {
  count(name: string, delta?: number, attributes?: Record<string, unknown>): void;
  record(name: string, value: number, attributes?: Record<string, unknown>): void;
};

/** The settings that `[config]` of scorebox.toml gives to the scorer. */
export const config: {
  text(name: string): string | undefined;
  text(name: string, fallback: string): string;
  number(name: string): number | undefined;
  number(name: string, fallback: number): number;
  all(): Record<string, string>;
};

/** Returns a text as bytes of UTF-8, also in engines without TextEncoder. */
export function encode(text: string): Uint8Array;

/** Returns bytes of UTF-8 as a text, also in engines without TextDecoder. */
export function decode(bytes: Uint8Array): string;
