//! Scripts in Python, in the sandbox: the engine pack, and instances that run a script.
//!
//! Owns the WebAssembly engine of Python, the files of a pack, the messages between a script and
//! the host, and the limits of an instance. Must not know manifests, Redis, HTTP or the host: what
//! a script asks for goes through the trait [`Outside`].
//!
//! # Map
//!
//! | item | purpose |
//! |---|---|
//! | [`Pack`] | CPython and its libraries as machine code, checked and loaded |
//! | [`Script`] | the author's code with its packages and its model |
//! | [`Instance`] | one running interpreter that answers one call at a time |
//! | [`Outside`] | what the host gives to a script |

pub mod engine;
pub mod instance;
pub mod outside;
pub mod pack;

pub use self::instance::{Answer, CallError, Instance, Request, Script, StartError};
pub use self::outside::{Level, Outside};
pub use self::pack::{Pack, PackError, PackFile, PackRecord, Proof, Wheel};
