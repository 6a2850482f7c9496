// Lines in the host's log, measurements, and the settings of the scorer.
//
// Owns `log`, `metrics` and `config`, and a console where the engine has none. Must not know who reads
// a line.

import { wide } from '#host';
import { Failed, ofConfig, translated } from './errors.js';
import { reach } from './interfaces.js';

const write = (level) => (message) => reach('logging').log(level, '', String(message));

/** Writes lines of the host's log, under the id of the call. */
export const log = {
  trace: write('trace'),
  debug: write('debug'),
  info: write('info'),
  warn: write('warn'),
  error: write('error'),
};

const pairs = (attributes) => Object.entries(attributes).map(([name, value]) => [name, String(value)]);

/** Measurements, which the host writes to its log as events. */
export const metrics = {
  /** Adds `delta` to the counter `name`, e.g. `predictions`. */
  count: (name, delta = 1, attributes = {}) => reach('metrics').count(name, wide(delta), pairs(attributes)),
  /** Records one value of the distribution `name`, e.g. `score`. */
  record: (name, value, attributes = {}) => reach('metrics').recordValue(name, value, pairs(attributes)),
};

/** The settings that `[config]` of scorebox.toml gives to the scorer. */
export const config = {
  /** Returns the setting `name` as text, or `fallback` if there is none of this name. */
  text: (name, fallback) => translated(ofConfig, () => reach('config').get(name)) ?? fallback,
  /** Returns the setting `name`, or `fallback`. Throws `Failed` if the setting is not a number. */
  number(name, fallback) {
    const text = config.text(name);
    if (text === undefined) return fallback;
    const number = Number(text);
    if (text.trim() !== '' && !Number.isNaN(number)) return number;
    throw new Failed('bad-setting', 'a setting of the scorer has a wrong type', `\`${name}\` is not a number`);
  },
  /** Returns all settings as an object. */
  all: () => Object.fromEntries(translated(ofConfig, () => reach('config').getAll())),
};

if (typeof globalThis.console === 'undefined') {
  const shown = (value) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value));
  const line = (level) => (...values) => log[level](values.map(shown).join(' '));
  globalThis.console = { log: line('info'), info: line('info'), debug: line('debug'), warn: line('warn'), error: line('error') };
}
