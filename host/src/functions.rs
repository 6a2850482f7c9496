//! Custom handler for Azure Functions: the functions of an app, and the requests and answers that
//! the Functions host exchanges with this host.
//!
//! Owns the envelope: no other module knows `Data`, `Metadata`, `Outputs`, base64 or JSON within
//! JSON. The rules of envelopes were read from the source of the Functions host
//! (Azure/azure-functions-host, `DefaultHttpWorkerService`, `ScriptInvocationContextExtensions`,
//! `HttpScriptInvocationResultExtensions`). Must not know sockets, nor run a scorer.
//!
//! | module | owns |
//! |---|---|
//! | [`bindings`] | `host.json` and `function.json`: functions, their triggers and outputs |
//! | [`envelope`] | decoding the body of an invocation to an [`Event`](envelope::Event) |
//! | [`metadata`] | what the platform reports about a call, and what a message cannot forge |
//! | [`answer`] | writing outcomes as an answer that the Functions host accepts |
//! | [`route`] | routes of HTTP functions, as templates |
//! | `sample` | envelopes as the Functions host writes them, for a trial on a local machine |

pub mod answer;
pub mod bindings;
pub mod envelope;
pub mod metadata;
pub mod route;
#[cfg(feature = "compiler")]
pub mod sample;

pub use self::bindings::FunctionApp;
