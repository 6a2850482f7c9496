// The access to the host's interfaces, and the conversion of their integers of 64 bits.
//
// Owns the error for an interface that is missing. Must not know what an interface does.

import { host } from '#host';

const stores = 'a [stores.<name>] in scorebox.toml';
// Requirements of interfaces: a component is built with an interface only if the project has this.
const needs = {
  graphs: 'an .onnx file in the model',
  cache: stores,
  keyvalue: stores,
  atomics: stores,
  batch: stores,
  redis: 'a [stores.<name>] with `commands` in scorebox.toml',
};

/** Returns the interface `name`. Throws an error that says what to do if there is none. */
export function reach(name) {
  const found = host[name];
  if (found !== undefined) return found;
  if (Object.keys(host).length === 0) {
    throw new Error('there is no host: use Host of @scorebox/guest/testing in a test');
  }
  throw new Error(
    name in needs
      ? `the interface \`${name}\` needs ${needs[name]}; add it and build again`
      : `the component was built without the interface \`${name}\``,
  );
}

/** Converts an integer of 64 bits to a number if that is exact, and to a BigInt otherwise. */
export function narrow(value) {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Converts a list of integers of 64 bits to an array of numbers. A missing one becomes null. */
export const narrowAll = (values) => Array.from(values, (value) => (value == null ? null : Number(value)));

/** Returns the payload of an error that the host returned, or undefined for any other error. */
export const payloadOf = (error) => error?.payload;
