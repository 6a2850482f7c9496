// The access to the host's interfaces, and the numbers that they pass.
//
// Owns the error for an interface that is missing. Must not know what an interface does.

import { host } from '#host';

const stores = 'a [stores.<name>] in scorebox.toml';
// What the project needs so that the component is built with an interface.
const needs = {
  graphs: 'an .onnx file in the model',
  cache: stores,
  keyvalue: stores,
  atomics: stores,
  batch: stores,
  redis: 'a [stores.<name>] with `commands` in scorebox.toml',
};

/** Returns an interface of the host. Throws if there is none, with the fix. */
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

/** Returns a number of 64 bits as a number if that is exact, and as a BigInt otherwise. */
export function narrow(value) {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Returns a list of numbers of 64 bits as an array of numbers. */
export const narrowAll = (values) => Array.from(values, (value) => (value == null ? null : Number(value)));

/** Returns the payload of an error that the host returned, or undefined for any other error. */
export const payloadOf = (error) => error?.payload;
