//! The readers that the targets call.
//!
//! Owns where each reader is found. Must not know any rule. The target `envelope` is older, and
//! names its reader itself.

pub use scorebox_host::call::{BodyFormat, Payload};
pub use scorebox_host::codec::media_type::{JSON, OCTET_STREAM};
pub use scorebox_host::codec::open_inference::{JSON_LENGTH, ModelName};
pub use scorebox_host::codec::{Reply as Form, Written, read, reading_until, write};
pub use scorebox_host::error::{ScoreFailure, StartupError};
pub use scorebox_host::functions::bindings::{Function, TriggerBinding};
pub use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
pub use scorebox_host::model::{Dtype, safetensors_tensors};
pub use scorebox_host::redis::raw::{
    Budget, CommandError, NODE_BYTES, Node, REPLY_BYTES, Reply, reply,
};
pub use scorebox_host::redis::reply_bytes;
pub use scorebox_host::tensor::{Port, PortLists, Requests, Tensor, count};
pub use scorebox_host::text::{REASON_BYTES, is_deceptive};
pub use scorebox_packager::{ArraySource, Challenge};
