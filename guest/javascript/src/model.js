// The model that ships with the scorer: its tensors and its files.
//
// Owns reads of any size, in pieces where the host limits one read. Must not know how the host keeps
// the weights.

import { wide } from '#host';
import { ofModel, translated } from './errors.js';
import { narrowAll, reach } from './interfaces.js';
import { countOf, sizeOf, view } from './tensor.js';

// The host returns 64 MiB at most. Smaller pieces keep the memory of an instance low.
const PIECE_BYTES = 16 << 20;

/** Returns facts about the model. */
export function info() {
  const { name, version, digest, labels } = reach('model').info();
  return { name, version, digest, labels: Object.fromEntries(labels) };
}

const described = ({ name, dtype, shape }) => ({ name, dtype, shape: narrowAll(shape) });

/** Returns the descriptions of all tensors, in the order of their names. */
export const tensors = () => Array.from(reach('model').tensors(), described);

/** Returns the names of the model's files. `/` separates folders. */
export const files = () => Array.from(reach('model').files());

/**
 * Returns `count` bytes of a file from the byte `start`, or fewer if the file ends before. The default
 * of `count` is the rest of the file. Throws `Failed` if the bytes cannot be read, e.g. because the
 * model has no such file.
 */
export function readFile(name, start = 0, count = Infinity) {
  const pieces = [];
  while (count > 0) {
    const want = Math.min(count, PIECE_BYTES);
    const piece = translated(ofModel, () => reach('model').readFile(name, wide(start), wide(want)));
    pieces.push(piece);
    start += piece.length;
    count -= piece.length;
    if (piece.length < want) break;
  }
  return joined(pieces);
}

/** A tensor of the model, which the host holds. Only the parts that are read are copied. */
export class Tensor {
  /** Finds a tensor by its name. Throws `Failed` if the model has none of this name. */
  constructor(name) {
    const found = this.#with(name, (handle) => described(handle.info()));
    this.name = name;
    this.dtype = found.dtype;
    this.shape = found.shape;
  }

  /** Number of elements of the tensor. */
  get length() {
    return countOf(this.shape);
  }

  /**
   * Returns `count` elements of the tensor's own type from the flat, row-major index `start`, as a
   * typed array. The default of `count` is all that follow. Elements of f16 and bf16 become `f32`.
   * Throws `Failed` if the range is not within the tensor.
   */
  values(start = 0, count = this.length - start) {
    const read = (handle, at, some) => handle.bytes(wide(at), wide(some));
    return view(this.dtype, joined(this.#pieces(start, count, sizeOf(this.dtype), read)));
  }

  /**
   * Returns elements as a Float32Array, with the arguments of `values`. Throws `Failed` if the range
   * is not within the tensor, or if the tensor does not have a floating-point type.
   */
  floats(start = 0, count = this.length - start) {
    if (this.dtype === 'f32') return this.values(start, count);
    const found = new Float32Array(Math.max(count, 0));
    let filled = 0;
    for (const piece of this.#pieces(start, count, 4, (handle, at, some) => handle.floats(wide(at), wide(some)))) {
      found.set(piece, filled);
      filled += piece.length;
    }
    return found;
  }

  /**
   * Returns the rows of axis 0 with these indices, one after the other, as a Float32Array. Throws
   * `Failed` if they cannot be read, e.g. because an index is not within axis 0.
   */
  rows(indices) {
    const wanted = Array.from(indices, wide);
    const list = typeof wide(0) === 'bigint' ? BigUint64Array.from(wanted) : wanted;
    return Float32Array.from(this.#with(this.name, (handle) => handle.rows(list)));
  }

  #pieces(start, count, size, read) {
    if (!(start >= 0) || !(count >= 0)) throw ofModel({ tag: 'out-of-range' });
    const step = Math.floor(PIECE_BYTES / size);
    const pieces = [];
    // The host refuses a range that is not within the tensor, so it is requested, too.
    for (let at = start; at === start || at < start + count; at += step) {
      const some = Math.min(step, start + count - at);
      pieces.push(this.#with(this.name, (handle) => read(handle, at, some)));
    }
    return pieces;
  }

  #with(name, use) {
    return translated(ofModel, () => {
      const handle = reach('model').Tensor.open(name);
      try {
        return use(handle);
      } finally {
        // A snapshot of the scorer cannot keep a handle.
        handle[Symbol.dispose ?? Symbol.for('dispose')]?.();
      }
    });
  }
}

function joined(pieces) {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let filled = 0;
  for (const piece of pieces) {
    whole.set(piece, filled);
    filled += piece.length;
  }
  return whole;
}
