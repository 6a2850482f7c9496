// Elements of tensors as typed arrays.
//
// Owns the conversion between little-endian bytes and typed arrays. Must not know the model or a
// graph.

import { Failed } from './errors.js';

const arrays = {
  bool: Uint8Array,
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
};

/** Returns the size of one element of the type `dtype`, in bytes. */
export const sizeOf = (dtype) => arrays[dtype]?.BYTES_PER_ELEMENT ?? 2;

/** Returns the number of elements of a shape. */
export const countOf = (shape) => shape.reduce((product, size) => product * Number(size), 1);

/**
 * Returns the elements that little-endian bytes hold as a typed array. Elements of `f16` and `bf16`
 * become a Float32Array.
 */
export function view(dtype, bytes) {
  if (dtype === 'f16' || dtype === 'bf16') {
    const halves = view('u16', bytes);
    return Float32Array.from(halves, dtype === 'f16' ? fromHalf : fromBfloat);
  }
  const Type = arrays[dtype];
  const isAligned = bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0;
  const data = isAligned ? bytes : bytes.slice();
  return new Type(data.buffer, data.byteOffset, data.byteLength / Type.BYTES_PER_ELEMENT);
}

/** Returns elements as little-endian bytes. Throws `Failed` if one does not fit an integer type. */
export function packed(dtype, values) {
  if (dtype === 'f16' || dtype === 'bf16') {
    const halves = Uint16Array.from(values, dtype === 'f16' ? toHalf : toBfloat);
    return new Uint8Array(halves.buffer);
  }
  const Type = arrays[dtype];
  try {
    const array = values instanceof Type ? values : Type.from(values, exact(dtype));
    return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  } catch (error) {
    throw new Failed('output-type', 'the scorer gave a value that does not fit its type', `${dtype}: ${error.message}`);
  }
}

/**
 * Returns a function that converts a value to an element. It throws if the value does not fit into
 * an integer type.
 */
function exact(dtype) {
  if (dtype === 'f32' || dtype === 'f64') return Number;
  if (dtype === 'bool') return (value) => (value ? 1 : 0);
  const convert = dtype === 'i64' || dtype === 'u64' ? BigInt : Number;
  const Type = arrays[dtype];
  return (value) => {
    const element = convert(value);
    if (Type.of(element)[0] !== element) throw new RangeError(`${value} does not fit`);
    return element;
  };
}

/**
 * Returns a named tensor for the answer of a tensor scorer or the input of a graph. By default,
 * `dtype` is the type of the typed array, or `f32` for another array, and `shape` is one dimension
 * with the number of values. Throws `Failed` if the number of values does not fit the shape.
 */
export function tensor(name, values, { shape = [values.length], dtype = dtypeOf(values) } = {}) {
  if (countOf(shape) !== values.length) {
    throw new Failed(
      'output-shape',
      'the scorer gave a tensor with a wrong number of elements',
      `\`${name}\` has ${values.length} elements and the shape ${shape}`,
    );
  }
  return { name, dtype, shape, values };
}

function dtypeOf(values) {
  const found = Object.entries(arrays).find(([dtype, Type]) => dtype !== 'bool' && values instanceof Type);
  return found ? found[0] : 'f32';
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

function fromBfloat(half) {
  bits[0] = half << 16;
  return single[0];
}

function toBfloat(value) {
  single[0] = value;
  if (value === value) bits[0] += 0x7fff + ((bits[0] >>> 16) & 1);
  return bits[0] >>> 16;
}

function fromHalf(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function toHalf(value) {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size !== size) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | even(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  // Rounding up may carry into the exponent, which the addition does by itself.
  return sign | (((exponent + 15) << 10) + even((size / 2 ** exponent - 1) * 1024));
}

/** Rounds to the nearest whole number, ties to even. */
function even(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
