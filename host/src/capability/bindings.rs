//! Generated host bindings of the WIT contract.
//!
//! Owns the two `bindgen!` calls: one for the capabilities, and one for the types of the world
//! `tensor-scoring`, which reuses the capabilities. So a type of the contract is one Rust type. The
//! world `scoring` has no types of its own. Also owns the types of the handles, which the generated
//! code names. Must not know what any function does. Only `capability` and `scorer` see these
//! types.

#![allow(missing_docs, reason = "generated; the WIT holds the documentation")]
#![allow(clippy::all, clippy::pedantic, reason = "generated")]

use std::sync::Arc;

use self::capabilities::wasi::nn::errors::ErrorCode;
use crate::graph::Graph;
use crate::model::TensorInfo;
use crate::redis::Store;

/// Host side of a `graph` handle of `wasi:nn`: a graph of the model that a scorer has opened.
pub struct GraphHandle(pub(super) Arc<Graph>);

/// Host side of a `graph-execution-context` handle of `wasi:nn`, with which a scorer runs a graph.
/// The handle holds only the graph, because sessions of the engine belong to the host.
pub struct ContextHandle(pub(super) Arc<Graph>);

/// Host side of an `error` handle of `wasi:nn`, which tells the scorer why a call failed.
pub struct ErrorHandle {
    pub(super) code: ErrorCode,
    pub(super) data: String,
}

/// Host side of a `cas` handle of `wasi:keyvalue`: a key of a store, with the value that the key
/// had when the handle was created.
pub struct CasHandle {
    pub(super) store: Store,
    pub(super) key: String,
    pub(super) current: Option<Vec<u8>>,
}

/// Host side of a `tensor` handle of the interface `model`: a tensor of the model that a scorer has
/// opened.
pub struct TensorHandle(pub(super) TensorInfo);

/// Bindings of the interfaces that scorers import.
pub mod capabilities {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "scorebox:scoring/capabilities",
        imports: { default: async | trappable },
        with: {
            "wasi:nn/tensor.tensor": crate::tensor::Tensor,
            "wasi:nn/errors.error": crate::capability::bindings::ErrorHandle,
            "wasi:nn/graph.graph": crate::capability::bindings::GraphHandle,
            "wasi:nn/inference.graph-execution-context": crate::capability::bindings::ContextHandle,
            "wasi:keyvalue/store.bucket": crate::redis::Store,
            "wasi:keyvalue/atomics.cas": crate::capability::bindings::CasHandle,
            "scorebox:scoring/model.tensor": crate::capability::bindings::TensorHandle,
            "scorebox:scoring/redis.connection": crate::redis::raw::Connection,
        },
    });
}

/// Bindings of the world `tensor-scoring`, whose scorers take and return tensors. Only its types
/// are used.
pub mod tensor_scoring {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "scorebox:scoring/tensor-scoring",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "scorebox:scoring": crate::capability::bindings::capabilities::scorebox::scoring,
            "wasi:nn": crate::capability::bindings::capabilities::wasi::nn,
            "wasi:keyvalue": crate::capability::bindings::capabilities::wasi::keyvalue,
            "wasi:logging": crate::capability::bindings::capabilities::wasi::logging,
            "wasi:config": crate::capability::bindings::capabilities::wasi::config,
        },
    });
}
