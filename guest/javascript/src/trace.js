// Stack traces with the author's files and lines.
//
// Owns the conversion of a line of the bundle to the line of a source. Must not know how the table
// for it was made: `scorebox build` makes it of the bundler's source map.

import { lines } from '#host';

// Frames of the bundle, in the forms of StarlingMonkey and of QuickJS.
const FRAME = /[^\s(@]*scorer\.js:(\d+)(?::\d+)?/;

/** Returns the text of an error and its frames, without those of this package and the bindings. */
export function shown(error) {
  if (!(error instanceof Error)) return `uncaught: ${typeof error === 'string' ? error : JSON.stringify(error)}`;
  const frames = String(error.stack ?? '').split('\n').map(frame).filter(Boolean);
  return [`${error.name}: ${error.message}`, ...frames].join('\n');
}

/** Returns a line of a stack trace for the log, or undefined if it is not of the author's code. */
function frame(line) {
  if (lines === undefined) return /^\s*at |@/.test(line) ? `    ${line.trim()}` : undefined;
  const found = FRAME.exec(line);
  if (!found) return undefined;
  const [source, number] = origin(Number(found[1]));
  if (source === undefined || source.startsWith('@scorebox/')) return undefined;
  const name = /^(?:\s*at )?([^\s(@]+)[@ ]/.exec(line)?.[1];
  return `    at ${name ? `${name} ` : ''}(${source}:${number})`;
}

/** Returns the source file and the line in it from which a line of the bundle was made. */
function origin(line) {
  const [source, number] = lines.lines[line] || [];
  return [lines.sources[source], number];
}
