//! The readers that the targets call.
//!
//! Owns where each reader is found. Must not know any rule. The target `envelope` is older, and
//! names its reader itself.

pub use scorebox_host::call::Payload;
pub use scorebox_host::error::{ScoreFailure, StartupError};
pub use scorebox_host::functions::bindings::{Function, TriggerBinding};
pub use scorebox_host::manifest::{MANIFEST_FILE, Manifest};
pub use scorebox_host::model::{Dtype, safetensors_tensors};
pub use scorebox_host::redis::raw::{
    Budget, CommandError, NODE_BYTES, Node, REPLY_BYTES, Reply, reply,
};
pub use scorebox_host::redis::reply_bytes;
pub use scorebox_host::scorer::signature::{JSON, OCTET_STREAM, TensorSignature};
pub use scorebox_host::scorer::tensor_body::open_inference::{JSON_LENGTH, MEDIA_TYPE, ModelName};
pub use scorebox_host::scorer::tensor_body::{Reply as Form, Written, read, reading_until, write};
pub use scorebox_host::tensor::{Port, Tensor, count};
pub use scorebox_host::text::{REASON_BYTES, is_deceptive};
#[cfg(feature = "packager")]
pub use scorebox_packager::{convert::numpy::Source as ArraySource, registry::Challenge};
