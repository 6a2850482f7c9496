//! Scripts in Python, in the sandbox: the engine pack, and instances that run a script.
//!
//! Owns the settings of the WebAssembly engine in which CPython runs, the files of an engine pack,
//! the messages between a script and the host, and the limits of an instance. Must not know
//! manifests, Redis, HTTP or the host: a script reaches them through the trait [`Outside`].
//!
//! # Map
//!
//! | item | purpose |
//! |---|---|
//! | [`Pack`] | CPython and its libraries as machine code, checked and loaded |
//! | [`Script`] | the author's code with its packages and its model |
//! | [`Instance`] | one running interpreter that answers one call at a time |
//! | [`Outside`] | what the host gives to a script |

mod door;
pub mod engine;
#[cfg(feature = "compiler")]
mod facts;
mod instance;
mod json;
mod mailbox;
#[cfg(feature = "compiler")]
pub mod make;
mod outside;
pub mod pack;
mod preopens;
mod sandbox;
mod script;
pub mod state;
mod streams;
mod turns;
#[cfg(feature = "compiler")]
mod world;

pub use self::instance::Instance;
pub use self::outside::{GraphFailure, Level, Outside, RedisFailure};
pub use self::pack::{Pack, PackError, PackFile, PackRecord, Proof, Wheel};
pub use self::preopens::EMPTY_FOLDER;
pub use self::sandbox::{FolderError, SharedLimit};
pub use self::script::{Answer, CallError, Request, Script, StartError};
