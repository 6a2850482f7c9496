// Tests without a host: `npm install` once, then `npm test`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Rejected } from '@scorebox/guest';
import { Host } from '@scorebox/guest/testing';
import { scorer } from '../app.js';

const root = fileURLToPath(new URL('..', import.meta.url));
// `snapshot` is that of scorebox.toml: without a snapshot, `init` may use every capability.
const risk = new Host({ model: `${root}model`, snapshot: false }).start(scorer);

test('the sample is answered', () => {
  const { inputs, outputs } = JSON.parse(readFileSync(`${root}sample.json`, 'utf8'));
  assert.ok(Math.abs(risk.run(inputs).probability - outputs.probability) < 1e-6);
});

test('a negative income is rejected', () => {
  assert.throws(() => risk.run({ features: [-1, 2, 0.5] }), (error) => error instanceof Rejected && error.code === 'negative-income');
});
