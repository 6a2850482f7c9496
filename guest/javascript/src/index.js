// The SDK for scorers in JavaScript and TypeScript. `index.d.ts` documents every name.
//
// Owns the names that authors import. Must not know how a component reaches its host.

export * as graphs from './graphs.js';
export * as model from './model.js';
export { Bucket } from './cache.js';
export { Connection, Fault } from './redis.js';
export { Failed, Rejected, ScoreError, Unavailable } from './errors.js';
export { Invocation, answer, json, jsonScorer, scorer, tensorScorer } from './scorer.js';
export { config, log, metrics } from './telemetry.js';
export { decode, encode } from './text.js';
export { tensor } from './tensor.js';
