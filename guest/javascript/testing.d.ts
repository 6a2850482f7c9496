// The types of @scorebox/guest/testing, a stand-in for the host in tests on Node.

import type { Invocation, OutputTensor, Payload, ScorerExport, Tensor, TensorScorerExport, Texts } from './index.js';

/** The contents of the stand-in for the host. Every field is optional. */
export interface Options {
  /**
   * The model: the path of a folder or file, or tensors by name. A list becomes a tensor of `f32`.
   */
  model?: string | Record<string, OutputTensor | number[] | Float32Array>;
  /** Further files of the model. */
  files?: Record<string, Uint8Array>;
  config?: Record<string, string>;
  labels?: Record<string, string>;
  /** Names of the stores, which are kept in memory. The default is `['default']`. */
  stores?: string[];
  /** A function for each graph, which takes and returns tensors by name. */
  graphs?: Record<string, (inputs: Record<string, Tensor | Texts>) => Record<string, OutputTensor | Tensor | Texts>>;
  /** A function that gets the name and the arguments of a Redis command, and returns the reply. */
  redis?: (name: string, ...words: string[]) => unknown;
  /** False if the scorer has `snapshot = false`, so that `init` may use every capability. */
  snapshot?: boolean;
  /** A function that returns the time by which keys of the stores expire, in milliseconds. */
  clock?: () => number;
}

/** A store of keys and values in memory. */
export interface Store {
  /** The values by their keys. Tests may write and read them. */
  values: Map<string, Uint8Array>;
  /** True if the store does not answer, to test how a scorer handles that. */
  isAway: boolean;
}

/** A stand-in for the host: a model, settings, stores in memory, and a log that tests read. */
export class Host {
  constructor(options?: Options);
  readonly lines: { level: string; message: string }[];
  readonly measurements: { kind: 'count' | 'value'; name: string; value: number; attributes: Record<string, string> }[];
  readonly stores: Record<string, Store>;
  /** Creates an instance as the host does: `describe`, then `init`. */
  start(scorer: ScorerExport | TensorScorerExport): Instance;
  /** Calls `use`, which may use every capability of the host, and returns its result. */
  with<Value>(use: () => Value): Value;
}

/** An instance of a scorer under test. */
export interface Instance {
  readonly signature: any;
  /**
   * Scores one request, and returns the answer as a caller reads it. A scorer of tensors takes an
   * object with nested lists, and returns tensors by name.
   */
  run(request: any, call?: Partial<Invocation>): any;
  /** Scores one request, and returns the answer with its status and headers. */
  answer(request: any, call?: Partial<Invocation>): { payload: Payload; status?: number; headers: Record<string, string> } | any;
  /** Scores the first example of the signature, which every scorer must answer. */
  example(): any;
}
