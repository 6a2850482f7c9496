// The errors of a scorer.
//
// Owns the three errors that end a call, and the only mapping from the error of a capability to one
// of them. Must not know status codes, or what happens to a message: the host chooses both by the
// class.

import { payloadOf } from './interfaces.js';

/** The reason why a call has no answer. Throw `Rejected`, `Unavailable` or `Failed`. */
export class ScoreError extends Error {
  constructor(code, message, detail) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.detail = detail;
  }

  get tag() {
    return 'failed';
  }
}

/**
 * This input can never be scored. HTTP answers 422. If a message started the call and its trigger
 * has the setting `park`, the message is completed, and a record of it goes to the place that
 * `park` names. Otherwise it is delivered again.
 */
export class Rejected extends ScoreError {
  get tag() {
    return 'rejected';
  }
}

/**
 * A later call may succeed. HTTP answers 503. If a message started the call, the message is
 * delivered again. After its last delivery, it is handled as after `Rejected` if its trigger has
 * the setting `park`.
 */
export class Unavailable extends ScoreError {
  get tag() {
    return 'unavailable';
  }
}

/**
 * The scorer is at fault. HTTP answers 500. A message is handled as after `Unavailable`. After the
 * codes `store-command` and `store-denied`, it is handled as after `Rejected`.
 */
export class Failed extends ScoreError {}

/** Calls `call`, and converts an error that the host returns with `convert`. */
export function translated(convert, call) {
  try {
    return call();
  } catch (error) {
    const payload = payloadOf(error);
    if (payload === undefined) throw error;
    throw convert(payload);
  }
}

/** Returns the error for a part of the model that cannot be read. */
export function ofModel({ tag, val }) {
  const detail = {
    'not-found': `the model has no tensor or file \`${val}\``,
    'out-of-range': 'a range does not lie within its tensor or file',
    'wrong-type': `a tensor of ${val} cannot be read as the type asked for`,
    'too-large': `one read may give ${val} bytes at most`,
  };
  return new Failed('model', 'the scorer could not read its model', detail[tag] ?? tag);
}

/** Returns the error for a graph whose run fails. */
export function ofGraph({ tag, val }) {
  const detail = {
    'not-found': `the model has no graph \`${val}\``,
    'too-large': `the outputs are larger than ${val} bytes`,
  };
  return new Failed('graph', "the scorer's graph gives no answer", detail[tag] ?? String(val));
}

/** Returns the error for an operation of a store that fails. */
export function ofStore({ tag, val }) {
  if (tag === 'no-such-store') return noSuchStore();
  if (tag === 'access-denied') return denied();
  const text = String(val);
  // The text of the host begins with one of these phrases if a later call may succeed.
  if (text.startsWith('the store cannot be reached now')) return away(text);
  if (text.startsWith('the store is full')) return full(text);
  return refused(text);
}

/** Returns the error for a Redis command that has no reply. */
export function ofRedis({ tag, val }) {
  const text = String(val);
  switch (tag) {
    case 'no-such-connection':
      return noSuchStore();
    case 'denied':
      return denied(text);
    case 'cross-slot':
      return refused('the keys of one command or transaction have different hash slots: give them one {tag}');
    case 'timeout':
      return away('no answer in time');
    case 'disconnected':
      return away('not connected');
    case 'too-large':
      return refused(`a reply may have ${text} bytes at most; ask for less`);
    default:
      if (text.startsWith('OOM')) return full(text);
      if (text.startsWith('NOPERM')) return denied(text);
      if (/^(MISCONF|NOREPLICAS)/.test(text)) return away(text);
      return refused(text);
  }
}

/** Returns the error for settings that cannot be read. */
export const ofConfig = ({ val }) =>
  new Unavailable('config-unavailable', 'the scorer could not read its settings', String(val));

const noSuchStore = () =>
  new Failed(
    'no-such-store',
    'the scorer opened a store that scorebox.toml does not define',
    'scorebox.toml has no `[stores.<name>]` of the name that was opened',
  );
const denied = (detail) => new Failed('store-denied', 'the scorer may not use its store in this way', detail);
const away = (detail) => new Unavailable('store-unavailable', "the scorer's store does not answer", detail);
const full = (detail) => new Unavailable('store-full', "the scorer's store is full", detail);
const refused = (detail) => new Failed('store-command', "the scorer's store refused a command", detail);
