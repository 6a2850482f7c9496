// Key-value stores, such as Redis, that scorebox.toml defines.
//
// Owns the operations on a store. Must not know addresses, or the prefix that the host adds to keys.

import { wide } from '#host';
import { Failed, Unavailable, ofStore, translated } from './errors.js';
import { payloadOf, reach } from './interfaces.js';
import { decode, encode } from './text.js';

const bytes = (value) => (typeof value === 'string' ? encode(value) : value);
const ms = (ttl) => (ttl === undefined ? undefined : wide(Math.max(1, Math.round(ttl * 1000))));

/**
 * A store of scorebox.toml. It is opened when it is first used, so `init` may create this object.
 * The times until a key expires (`ttl`) are in seconds. If an operation may succeed later, e.g.
 * because the store does not answer, the methods throw `Unavailable`. If it cannot, they throw
 * `Failed`.
 */
export class Bucket {
  #handle;

  constructor(name = 'default') {
    this.name = name;
  }

  /** Returns the value of a key as bytes, or undefined if the key does not exist. */
  get(key) {
    return this.#call((handle) => handle.get(key)) ?? undefined;
  }

  /** Returns the value of a key as a text, or undefined if the key does not exist. */
  getText(key) {
    const found = this.get(key);
    return found && decode(found);
  }

  /**
   * Returns the value of a key as JSON, or undefined if the key does not exist. Throws `Failed` with
   * the code `stored-json` if the value is not JSON.
   */
  getJson(key) {
    const found = this.getText(key);
    if (found === undefined) return undefined;
    try {
      return JSON.parse(found);
    } catch (error) {
      throw new Failed('stored-json', 'the scorer found a stored value that is not JSON', `\`${key}\`: ${error.message}`);
    }
  }

  /**
   * Writes the value of a key. Returns false, and writes nothing, if `onlyIf` does not hold: the
   * key must not exist (`absent`), or it must exist (`present`).
   */
  set(key, value, { ttl, onlyIf } = {}) {
    const condition = onlyIf === undefined ? 'always' : `if-${onlyIf}`;
    const options = { ttlMs: ms(ttl), condition };
    return this.#call((handle) => reach('cache').set(handle, key, bytes(value), options));
  }

  /** Writes the value of a key as JSON, with the options of `set`. */
  setJson(key, value, options) {
    return this.set(key, JSON.stringify(value), options);
  }

  /** Deletes a key, if it exists. */
  delete(key) {
    this.#call((handle) => handle.delete(key));
  }

  /** Returns true if a key exists. */
  exists(key) {
    return this.#call((handle) => handle.exists(key));
  }

  /**
   * Returns the keys of the scorer in the store, in no particular order. A key may be listed twice,
   * and a key that is written or deleted meanwhile may be missing.
   */
  keys() {
    const found = [];
    let cursor;
    do {
      const page = this.#call((handle) => handle.listKeys(cursor));
      found.push(...page.keys);
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return found;
  }

  /** Returns a Map of those of the keys that exist, with their values. */
  getMany(keys) {
    const found = this.#call((handle) => reach('batch').getMany(handle, [...keys]));
    return new Map(found.filter((pair) => pair != null));
  }

  /** Writes the values of several keys, but not atomically. */
  setMany(entries, { ttl } = {}) {
    const list = entries instanceof Map ? [...entries] : Object.entries(entries);
    const pairs = list.map(([key, value]) => [key, bytes(value)]);
    this.#call((handle) => reach('cache').setMany(handle, pairs, ms(ttl)));
  }

  /** Deletes several keys, but not atomically. */
  deleteMany(keys) {
    this.#call((handle) => reach('batch').deleteMany(handle, [...keys]));
  }

  /**
   * Adds `delta` to the counter of a key atomically, and returns the sum. The counter of a key that
   * does not exist starts at 0, and expires after `ttl`. Without `ttl`, the store's `default_ttl`
   * applies.
   */
  increment(key, delta = 1, { ttl } = {}) {
    const sum = this.#call((handle) =>
      ttl === undefined
        ? reach('atomics').increment(handle, key, wide(delta))
        : reach('cache').increment(handle, key, wide(delta), ms(ttl)),
    );
    return Number(sum);
  }

  /** Returns the seconds until a key expires: Infinity if never, undefined if it does not exist. */
  lifetime(key) {
    const { tag, val } = this.#call((handle) => reach('cache').lifetimeOf(handle, key));
    if (tag === 'absent') return undefined;
    return tag === 'unlimited' ? Infinity : Number(val) / 1000;
  }

  /**
   * Makes a key expire after `ttl` seconds, or never without `ttl`. Returns false if the key does
   * not exist.
   */
  touch(key, ttl) {
    return this.#call((handle) => reach('cache').touch(handle, key, ms(ttl)));
  }

  /**
   * Replaces the value of a key with the result of `change` atomically, and returns it. If another
   * caller writes in between, `change` is called again, at most `attempts` times in all. After that,
   * throws `Unavailable` with the code `store-busy`.
   */
  update(key, change, attempts = 16) {
    const { Cas, swap } = reach('atomics');
    let cas = this.#call((handle) => Cas.new(handle, key));
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const value = bytes(change(translated(ofStore, () => cas.current()) ?? undefined));
      try {
        swap(cas, value);
        return value;
      } catch (error) {
        const payload = payloadOf(error);
        if (payload === undefined) throw error;
        if (payload.tag === 'store-error') throw ofStore(payload.val);
        cas = payload.val;
      }
    }
    throw new Unavailable('store-busy', 'other calls change the stored value', `\`${key}\``);
  }

  #call(use) {
    this.#handle ??= translated(ofStore, () => reach('keyvalue').open(this.name));
    return translated(ofStore, () => use(this.#handle));
  }
}
