//! The custom handler's side of Azure Functions: which functions there are, and what goes over the wire for each call.
//!
//! Owns the envelope: no other module knows `Data`, `Metadata`, `Outputs`, base64 or JSON within JSON. Its rules were read
//! from the Functions host's source (Azure/azure-functions-host, `DefaultHttpWorkerService`,
//! `ScriptInvocationContextExtensions`, `HttpScriptInvocationResultExtensions`). Must not know sockets, nor run a scorer.
//!
//! | module | owns |
//! |---|---|
//! | [`bindings`] | `host.json` and `function.json`: functions, their triggers and outputs |
//! | [`envelope`] | from an invocation's body to an [`Event`](envelope::Event) |
//! | [`metadata`] | what the platform says about a call, and which of it a message cannot forge |
//! | [`answer`] | from outcomes to an answer that the Functions host takes |
//! | [`route`] | routes of HTTP functions, as templates |
//! | `sample` | the host's side of the wire, for a try on one's own machine |

pub mod answer;
pub mod bindings;
pub mod envelope;
pub mod metadata;
pub mod route;
#[cfg(feature = "compiler")]
pub mod sample;

pub use self::bindings::FunctionApp;
