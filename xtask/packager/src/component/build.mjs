// Builds the component of a scorer in JavaScript: bundles the sources, and wraps the bundle.
//
// Run by `component/script.rs`, with one argument of JSON. Owns the
// bundle and its table of lines. Must not know manifests.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { engine, entry, wit, guest, interfaces, output, toolchain } = JSON.parse(process.argv.at(-1));
const require = createRequire(join(toolchain, 'package.json'));
const { build } = require('esbuild');
const folder = dirname(entry);
const [GUEST, HOST] = ['scorebox-guest', 'scorebox-host'];

/**
 * Resolves `@scorebox/guest` and the interfaces of the host. The package has a namespace of its own,
 * because the bundle names the path of every other file.
 */
const scorebox = {
  name: 'scorebox',
  setup(bundler) {
    bundler.onResolve({ filter: /^(scorebox|wasi):/ }, ({ path }) => {
      const has = Object.values(interfaces);
      if (has.includes(path) || !path.startsWith('scorebox:')) return { path, external: true };
      return { errors: [{ text: `the component does not have the interface ${path}; it has ${has.join(', ')}` }] };
    });
    bundler.onResolve({ filter: /^@scorebox\/guest$/ }, () => ({ path: 'index.js', namespace: GUEST }));
    bundler.onResolve({ filter: /.*/, namespace: GUEST }, ({ path }) =>
      path === '#host' ? { path, namespace: HOST } : { path: path.replace('./', ''), namespace: GUEST },
    );
    bundler.onLoad({ filter: /.*/, namespace: GUEST }, async ({ path }) => ({
      contents: await readFile(join(guest, 'src', path), 'utf8'),
    }));
    bundler.onLoad({ filter: /.*/, namespace: HOST }, () => ({ contents: host() }));
  },
};

/** Returns the module that gives the package the interfaces of this component. */
function host() {
  const names = Object.keys(interfaces);
  const imports = names.map((name) => `import * as ${name} from '${interfaces[name]}';`);
  const wide = engine === 'quickjs' ? '(number) => number' : '(number) => BigInt(number)';
  return [
    ...imports,
    `export const host = { ${names.join(', ')} };`,
    `export const wide = ${wide};`,
    'export const lines = globalThis.scoreboxLines;',
  ].join('\n');
}

const CODES = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * Returns the table of lines that a source map holds: for each line of the bundle the first source and
 * line. The table is itself on the first line of the bundle, so the others move by one.
 */
function table({ sources, mappings }) {
  const isOwn = (source) => !source.startsWith(`${GUEST}:`) && !source.startsWith(`${HOST}:`);
  const own = sources.map((source) => (isOwn(source) ? source : null));
  const lines = [0, 0];
  const at = [0, 0, 0, 0];
  for (const line of mappings.split(';')) {
    at[0] = 0;
    let first = 0;
    for (const segment of line.split(',')) {
      const numbers = decoded(segment);
      numbers.slice(0, 4).forEach((number, index) => (at[index] += number));
      if (!first && numbers.length > 1 && own[at[1]] !== null) first = [at[1], at[2] + 1];
    }
    lines.push(first);
  }
  return { sources: own, lines };
}

/** Returns the numbers of a segment of a source map, each in base 64 with its sign last. */
function decoded(segment) {
  const numbers = [];
  let [value, shift] = [0, 0];
  for (const letter of segment) {
    const digit = CODES.indexOf(letter);
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

const name = basename(entry);
const bundled = await build({
  absWorkingDir: folder,
  entryPoints: [name],
  outfile: 'scorer.js',
  bundle: true,
  write: false,
  metafile: true,
  format: 'esm',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  conditions: ['import', 'default'],
  target: 'es2022',
  sourcemap: 'external',
  plugins: [scorebox],
  logLevel: 'error',
}).catch(() => process.exit(1));

const exported = Object.values(bundled.metafile.outputs).flatMap((file) => file.exports);
const isTensors = exported.includes('tensorScorer');
if (isTensors === exported.includes('scorer')) {
  fail(
    isTensors
      ? `${name} exports both scorer and tensorScorer; keep one of them`
      : `${name} exports no scorer: write \`export const scorer = jsonScorer({ ... })\`, or tensorScorer`,
  );
}
const code = bundled.outputFiles.find((file) => file.path.endsWith('.js')).text;
const map = JSON.parse(bundled.outputFiles.find((file) => file.path.endsWith('.map')).text);
const source = `globalThis.scoreboxLines = ${JSON.stringify(table(map))};\n${code}`;
const world = isTensors ? 'tensor-component' : 'component';

// The engine remembers the path of what it reads. A folder without a user's name is replaced below.
const place = await mkdtemp(join(tmpdir(), 'scorebox-'));
process.env.TMPDIR = place;
process.chdir(place);
let component, failure;
try {
  const path = join(place, 'scorer.js');
  await writeFile(path, source);
  if (engine === 'quickjs') {
    const { componentize } = require('componentize-qjs');
    const options = { witPath: wit, world, jsSource: source, jsPath: path, moduleRoot: place };
    ({ component } = await componentize({ ...options, sync: true, optSize: true }));
  } else {
    // The package exports nothing to `require`.
    const file = 'node_modules/@bytecodealliance/componentize-js/src/componentize.js';
    const { componentize } = await import(pathToFileURL(join(toolchain, file)));
    const disableFeatures = ['http', 'fetch-event'];
    ({ component } = await componentize({ sourcePath: path, witPath: wit, worldName: world, disableFeatures }));
  }
} catch (error) {
  failure = String(error?.message ?? error).replaceAll(`${place}/`, '').replaceAll('/scorer.js', 'scorer.js');
} finally {
  await rm(place, { recursive: true, force: true });
}
if (failure !== undefined) fail(failure);
await writeFile(output, anonymous(Buffer.from(component), place));

/** Returns bytes in which a path is replaced by zeros, because it says where the build ran. */
function anonymous(bytes, path) {
  // The engine drops the first slash in places.
  const found = path.slice(1);
  const replacement = '0'.repeat(found.length);
  for (let at = bytes.indexOf(found); at >= 0; at = bytes.indexOf(found, at)) bytes.write(replacement, at);
  return bytes;
}
