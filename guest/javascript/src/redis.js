// Redis commands on a store of scorebox.toml, whose setting `commands` lists those allowed.
//
// Owns the encoding of commands, and the values in replies. Must not know which commands are
// allowed.

import { ofRedis, translated } from './errors.js';
import { narrow, reach } from './interfaces.js';
import { encode } from './text.js';

const command = (words) => words.map((word) => (word instanceof Uint8Array ? word : encode(String(word))));

/** An error that the server gave inside a reply, e.g. for one command of a transaction. */
export class Fault extends Error {}

/**
 * A connection to a store. It is opened when it is first used, so `init` may create this object.
 * Replies are values of JavaScript: null, booleans, numbers, BigInt, texts, Uint8Array, arrays and
 * Map. An error inside a reply is a `Fault`. If there is no reply, the methods throw `Unavailable` if
 * a later command may succeed, and `Failed` if not.
 */
export class Connection {
  #handle;

  constructor(name = 'default') {
    this.name = name;
  }

  /** Sends one command, e.g. `execute('HGET', 'user', 'age')`, and returns the reply. */
  execute(...words) {
    return value(this.#call((handle) => handle.execute(command(words))));
  }

  /**
   * Sends several commands together, and returns their replies in order. If a command fails, the
   * array has a `ScoreError` in place of its reply.
   */
  pipeline(commands) {
    const replies = this.#call((handle) => handle.pipeline(commands.map(command)));
    return replies.map((reply) => (reply.tag === 'ok' ? value(reply.val) : ofRedis(reply.val)));
  }

  /**
   * Executes commands between MULTI and EXEC, and returns their replies. No command of another
   * client is executed in between. If a command fails while it is executed, its reply is a `Fault`,
   * and the other commands take effect.
   */
  transaction(commands) {
    return this.#call((handle) => handle.transaction(commands.map(command))).map(value);
  }

  #call(use) {
    return translated(ofRedis, () => {
      this.#handle ??= reach('redis').Connection.open(this.name);
      return use(this.#handle);
    });
  }
}

/** Converts a reply of the host, in which children come before parents, to a JavaScript value. */
function value({ nodes, root }) {
  const values = [];
  for (const { tag, val } of nodes) {
    values.push(
      {
        nil: () => null,
        integer: () => narrow(val),
        array: () => Array.from(val, (index) => values[index]),
        map: () => new Map(val.map(([key, item]) => [values[key], values[item]])),
        fault: () => new Fault(val),
      }[tag]?.() ?? (tag === 'nil' ? null : val),
    );
  }
  return values[root];
}
