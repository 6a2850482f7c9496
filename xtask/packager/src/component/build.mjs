// Builds the component of a scorer in JavaScript: bundles the sources, and wraps the bundle.
//
// Run by `component/javascript.rs` in the folder of a toolchain, with one argument of JSON. Owns the
// bundle and its table of lines. Must not know manifests.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

const { engine, entry, wit, guest, interfaces, output } = JSON.parse(process.argv[2]);
const folder = dirname(entry);
const HOST = 'scorebox-host';

/** Resolves `@scorebox/guest` and the interfaces of the host. */
const scorebox = {
  name: 'scorebox',
  setup(bundler) {
    bundler.onResolve({ filter: /^(scorebox|wasi):/ }, ({ path }) => ({ path, external: true }));
    bundler.onResolve({ filter: /^@scorebox\/guest$/ }, () => ({ path: join(guest, 'src/index.js') }));
    bundler.onResolve({ filter: /^#host$/ }, ({ importer, path }) =>
      resolve(importer).startsWith(resolve(guest)) ? { path, namespace: HOST } : undefined,
    );
    bundler.onLoad({ filter: /.*/, namespace: HOST }, () => ({ contents: host(), loader: 'js' }));
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
  const inside = resolve(guest);
  const own = sources.map((source) => {
    const path = resolve(folder, source);
    return source.startsWith(`${HOST}:`) || path.startsWith(inside) ? null : relative(folder, path);
  });
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
let component;
try {
  const path = join(place, 'scorer.js');
  await writeFile(path, source);
  if (engine === 'quickjs') {
    const { componentize } = await import('componentize-qjs');
    const options = { witPath: wit, world, jsSource: source, jsPath: path, moduleRoot: place };
    ({ component } = await componentize({ ...options, sync: true, optSize: true }));
  } else {
    const { componentize } = await import('@bytecodealliance/componentize-js');
    const disableFeatures = ['http', 'fetch-event'];
    ({ component } = await componentize({ sourcePath: path, witPath: wit, worldName: world, disableFeatures }));
  }
} catch (error) {
  fail(String(error?.message ?? error).replaceAll(`${place}/`, '').replaceAll('/scorer.js', 'scorer.js'));
} finally {
  await rm(place, { recursive: true, force: true });
}
await writeFile(output, anonymous(Buffer.from(component), place));

/** Returns bytes in which a path is replaced by zeros, because it says where the build ran. */
function anonymous(bytes, path) {
  const replacement = `/${'0'.repeat(path.length - 1)}`;
  for (let at = bytes.indexOf(path); at >= 0; at = bytes.indexOf(path, at)) bytes.write(replacement, at);
  return bytes;
}
