// The types of @scorebox/guest/testing, a stand-in for the host in tests on Node.

import type { Invocation, OutputTensor, Payload, ScorerExport, Tensor, TensorScorerExport, Texts } from './index.js';

/** What the stand-in has. Everything is optional. */
export interface Options {
  /** Path of a folder or file, or tensors by name. A list becomes a tensor of `f32`. */
  model?: string | Record<string, OutputTensor | number[] | Float32Array>;
  /** Further files of the model. */
  files?: Record<string, Uint8Array>;
  config?: Record<string, string>;
  labels?: Record<string, string>;
  /** Names of the stores, which are kept in memory. The default is `['default']`. */
  stores?: string[];
  /** A function for each graph, which takes and returns tensors by name. */
  graphs?: Record<string, (inputs: Record<string, Tensor | Texts>) => Record<string, OutputTensor | Tensor | Texts>>;
  /** A function that answers raw commands of Redis. */
  redis?: (name: string, ...words: string[]) => unknown;
  /** False if the scorer has `snapshot = false`, so that `init` may use every capability. */
  snapshot?: boolean;
  /** The clock of the stores, in milliseconds. */
  clock?: () => number;
}

/** A store in memory. */
export interface Store {
  /** The values, which tests may fill and read. */
  values: Map<string, Uint8Array>;
  /** True if the store does not answer, to test what a scorer does then. */
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
  /** Calls a function that may use every capability. */
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
