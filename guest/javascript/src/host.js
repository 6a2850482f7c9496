// The interfaces of the host on Node, where there is none until a test installs a stand-in.
//
// `scorebox build` replaces this module by one that imports the interfaces of the component. Owns
// the table of interfaces. Must not know what an interface does.

/** The interfaces that this program can reach, by name. */
export const host = {};

/** Returns a whole number as the engine passes 64 bits to the host. */
export const wide = (number) => number;

/** Table of the lines of a bundle, for stack traces. There is none on Node. */
export const lines = undefined;
