// The interfaces of the host on Node, where they do not exist until a test installs a stand-in.
//
// `scorebox build` replaces this module by one that imports the interfaces of the component. Owns
// the table of interfaces. Must not know what an interface does.

/** The interfaces that this program can reach, by name. */
export const host = {};

/** Converts a whole number to the type that the engine has for integers of 64 bits. */
export const wide = (number) => number;

/** Table from lines of the bundle to lines of its sources, for stack traces. Undefined on Node. */
export const lines = undefined;
