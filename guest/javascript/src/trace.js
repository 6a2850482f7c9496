// Stack traces with the author's files and lines.
//
// Owns the way back from a line of the bundle to the line of a source. Must not know how the table was
// made. `scorebox build` makes it of the bundler's source map.

import { lines } from '#host';

// Frames of the bundle, in the forms of StarlingMonkey and of QuickJS.
const FRAME = /[^\s(@]*scorer\.js:(\d+)(?::\d+)?/;

/** Returns the text and the frames of an error. Frames of this package and of the bindings are left out. */
export function shown(error) {
  if (!(error instanceof Error)) return `uncaught: ${typeof error === 'string' ? error : JSON.stringify(error)}`;
  const frames = String(error.stack ?? '').split('\n').map(frame).filter(Boolean);
  return [`${error.name}: ${error.message}`, ...frames].join('\n');
}

/** Returns a line of a stack as text for people, or undefined if the frame is not the author's. */
function frame(line) {
  if (lines === undefined) return /^\s*at |@/.test(line) ? `    ${line.trim()}` : undefined;
  const found = FRAME.exec(line);
  if (!found) return undefined;
  const [source, number] = origin(Number(found[1]));
  if (source === undefined || source.startsWith('@scorebox/')) return undefined;
  const name = /^(?:\s*at )?([^\s(@]+)[@ ]/.exec(line)?.[1];
  return `    at ${name ? `${name} ` : ''}(${source}:${number})`;
}

/** Returns the source and the line of a line of the bundle. */
function origin(line) {
  const [source, number] = lines.lines[line] || [];
  return [lines.sources[source], number];
}
