// A test with the real host: it builds the component and scores with `scorebox invoke`.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const skip = spawnSync('scorebox', ['--version']).status !== 0 && 'scorebox is not installed';

test('the component answers the sample', { skip }, () => {
  const { inputs, outputs } = JSON.parse(readFileSync(`${root}sample.json`, 'utf8'));
  const folder = mkdtempSync(join(tmpdir(), 'test-'));
  const [app, request] = [join(folder, 'app'), join(folder, 'request.json')];
  writeFileSync(request, JSON.stringify(inputs));
  execFileSync('scorebox', ['build', '--manifest', `${root}scorebox.toml`, '--app', app]);
  const answer = JSON.parse(execFileSync('scorebox', ['invoke', '--app', app, '--input', request]));
  assert.ok(Math.abs(answer.probability - outputs.probability) < 1e-6);
  rmSync(folder, { recursive: true });
});
