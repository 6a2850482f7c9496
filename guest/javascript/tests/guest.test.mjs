// Tests of the package on Node, with the stand-in for the host.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import {
  Bucket, Connection, Failed, Rejected, Unavailable, answer, config, graphs, json, jsonScorer, log, metrics, model,
  scorer, tensor, tensorScorer,
} from '@scorebox/guest';
import { Host } from '@scorebox/guest/testing';
import { packed, view } from '../src/tensor.js';

const weights = { coef: [0.5, -0.25, 1.5], intercept: [-1] };
let coef, intercept;
const risk = jsonScorer({
  describe: () => ({ schema: { type: 'object' }, example: { features: [1, 2, 0.5] }, deterministic: true }),
  init() {
    coef = new model.Tensor('coef').floats();
    [intercept] = new model.Tensor('intercept').floats();
  },
  run(call, { features }) {
    if (features[0] < 0) throw new Rejected('negative-income', 'the first feature is negative');
    if (features[0] === 77) return undefined.nothing;
    log.info('scored');
    metrics.count('predictions', 1, { model: 'a' });
    const dot = features.reduce((sum, x, i) => sum + x * coef[i], intercept);
    return { probability: 1 / (1 + Math.exp(-dot)) };
  },
});

test('a scorer of JSON answers and rejects', () => {
  const host = new Host({ model: weights });
  const instance = host.start(risk);
  const found = instance.run({ features: [1, 2, 0.5] });
  assert.equal(found.probability, 1 / (1 + Math.exp(0.25)));
  assert.deepEqual(instance.example(), found);
  assert.deepEqual(host.lines[0], { level: 'info', message: 'scored' });
  assert.deepEqual(host.measurements[0].attributes, { model: 'a' });
  assert.throws(() => instance.run({ features: [-1, 2, 0.5] }), (e) => e instanceof Rejected && e.code === 'negative-income');
  assert.throws(() => instance.run({ contentType: 'application/json', body: new Uint8Array([123]) }), Rejected);
  assert.throws(() => instance.run({ features: [77] }), (e) => e instanceof Failed && /TypeError[^]*guest\.test/.test(e.detail));
});

test('a scorer of tensors gets typed arrays', () => {
  const sum = tensorScorer({
    describe: () => ({
      inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }],
      outputs: [{ name: 'sum', dtype: 'f32', shape: [null] }],
      example: { x: [[1, 2]] },
    }),
    run(calls, [{ values, shape }]) {
      const sums = new Float32Array(shape[0]);
      values.forEach((value, index) => (sums[index >> 1] += value));
      return [tensor('sum', sums)];
    },
  });
  const instance = new Host().start(sum);
  assert.deepEqual([...instance.run({ x: [[1, 2], [3, 4]] }).sum.values], [3, 7]);
  assert.deepEqual([...instance.example().sum.values], [3]);
  assert.throws(() => instance.run({ x: [[1, 2, 3]] }), /shape/);
});

test('a scorer chooses the status and the headers', () => {
  const choosing = scorer({
    describe: () => ({ contentTypes: [] }),
    run: (call) => answer(call.parameter('a b'), { status: 202, headers: { 'x-kind': String(call.attribute('x-kind')) } }),
  });
  const call = { http: { method: 'POST', path: '/', query: 'a+b=c%20d' }, attributes: [['x-kind', 7]] };
  const found = new Host().start(choosing).answer({ contentType: 'text/plain', body: new Uint8Array() }, call);
  assert.deepEqual([found.status, found.headers, new TextDecoder().decode(found.payload.body)], [202, { 'x-kind': '7' }, '"c d"']);
  assert.throws(() => json({ a: NaN }), Failed);
});

test('describe and init reach what they may', () => {
  const early = jsonScorer({ describe: () => ({ example: model.files() }), run: () => 1 });
  assert.throws(() => new Host().start(early), /without the interface/);
  const storing = jsonScorer({ describe: () => ({}), init: () => new Bucket().get('a'), run: () => 1 });
  assert.throws(() => new Host().start(storing), Failed);
  new Host({ snapshot: false }).start(storing);
});

test('tensors are read whole and in parts', () => {
  const wide = tensor('w', [1, 2, 3, 4, 5, 6], { shape: [3, 2], dtype: 'f64' });
  const counts = tensor('n', [2n ** 40n, -1n], { dtype: 'i64' });
  new Host({ model: { w: wide, n: counts, ...weights }, files: { 'a/b.txt': new TextEncoder().encode('hello') } }).with(() => {
    const found = new model.Tensor('w');
    assert.deepEqual([found.shape, found.length, [...found.values()]], [[3, 2], 6, [1, 2, 3, 4, 5, 6]]);
    assert.deepEqual([...found.floats(2, 2)], [3, 4]);
    assert.deepEqual([...found.rows([2, 0])], [5, 6, 1, 2]);
    assert.deepEqual([...new model.Tensor('n').values()], [2n ** 40n, -1n]);
    assert.equal(new TextDecoder().decode(model.readFile('a/b.txt', 1, 3)), 'ell');
    for (const wrong of [() => new model.Tensor('no'), () => new model.Tensor('n').floats(), () => found.values(5, 2)]) {
      assert.throws(wrong, (error) => error.code === 'model');
    }
  });
});

test('a folder of safetensors is a model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'guest-'));
  const header = Buffer.from(JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(join(folder, 'm.safetensors'), Buffer.concat([length, header, Buffer.from(new Float32Array([1, 2]).buffer)]));
  new Host({ model: folder }).with(() => assert.deepEqual([...new model.Tensor('a').floats()], [1, 2]));
  rmSync(folder, { recursive: true });
});

test('elements of every type come back', () => {
  for (const dtype of ['bool', 'u8', 'i8', 'u16', 'i16', 'f16', 'bf16', 'u32', 'i32', 'f32', 'u64', 'i64', 'f64']) {
    const values = dtype === 'bool' ? [1, 0] : [1, 2, 100];
    assert.deepEqual(Array.from(view(dtype, packed(dtype, values)), Number), values, dtype);
  }
  for (const [dtype, value] of [['u8', 256], ['u8', -1], ['u64', -1], ['u64', 2 ** 64], ['i64', 2 ** 63], ['i64', 0.5]]) {
    assert.throws(() => packed(dtype, [value]), Failed, `${dtype} ${value}`);
  }
  const halves = [0, -0, 0.1, 65504, 65519, 65520, 6e-8, 2.9e-8, 1.0009765625, -2.5, Infinity, NaN];
  const round = (value) => new Float32Array([value])[0];
  const expected = [0, -0, 0.0999755859375, 65504, 65504, Infinity, 2 ** -24, 0, 1.0009765625, -2.5, Infinity, NaN];
  assert.deepEqual([...view('f16', packed('f16', halves))], expected.map(round));
});

test('a store keeps values for a while', () => {
  let now = 0;
  const host = new Host({ clock: () => now });
  host.with(() => {
    const bucket = new Bucket();
    assert.equal(bucket.set('a', '1', { ttl: 2 }), true);
    assert.equal(bucket.set('a', '2', { onlyIf: 'absent' }), false);
    assert.deepEqual([bucket.getText('a'), bucket.lifetime('a')], ['1', 2]);
    now = 3000;
    assert.deepEqual([bucket.get('a'), bucket.lifetime('a')], [undefined, undefined]);
    assert.deepEqual([bucket.increment('n'), bucket.increment('n', 4, { ttl: 1 })], [1, 5]);
    bucket.setJson('j', { x: 1 });
    assert.deepEqual(bucket.getJson('j'), { x: 1 });
    assert.deepEqual([...bucket.getMany(['j', 'no']).keys()], ['j']);
    bucket.update('n', (held) => `${new TextDecoder().decode(held)}!`);
    assert.deepEqual([bucket.getText('n'), bucket.keys().sort()], ['5!', ['j', 'n']]);
    const lost = (held) => {
      host.stores.default.isAway = true;
      return held;
    };
    assert.throws(() => bucket.update('n', lost), Unavailable);
    assert.throws(() => bucket.get('j'), Unavailable);
    assert.throws(() => new Bucket('other').get('a'), Failed);
  });
});

test('raw commands, graphs and settings', () => {
  const double = ({ x }) => ({ y: tensor('y', x.values.map((value) => 2 * value)) });
  const answers = { HGETALL: new Map([['age', 7]]), GET: null, LRANGE: ['a', 2] };
  new Host({ config: { limit: '3', word: 'x' }, graphs: { double }, redis: (name) => answers[name] }).with(() => {
    const connection = new Connection();
    assert.deepEqual(connection.execute('HGETALL', 'u'), new Map([['age', 7]]));
    assert.deepEqual(connection.pipeline([['GET', 'a'], ['LRANGE', 'l', 0, -1]]), [null, ['a', 2]]);
    assert.deepEqual([...graphs.run('double', [tensor('x', new Float32Array([1, 2]))]).y.values], [2, 4]);
    assert.deepEqual([config.number('limit'), config.text('no', 'd')], [3, 'd']);
    assert.throws(() => config.number('word'), Failed);
    assert.throws(() => graphs.run('no', []), Failed);
  });
});
