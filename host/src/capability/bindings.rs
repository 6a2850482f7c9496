//! Generated host bindings of the WIT contract.
//!
//! Owns the three `bindgen!` calls: one for the capabilities, and one for each world, which reuses
//! the capabilities. So a type of the contract is one Rust type. Must not know what any function
//! does. Only `capability` and `scorer` see these types.

#![allow(missing_docs, reason = "generated; the WIT holds the documentation")]
#![allow(clippy::all, clippy::pedantic, reason = "generated")]

/// Bindings of the interfaces that scorers import.
pub mod capabilities {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "scorebox:scoring/capabilities",
        imports: { default: async | trappable },
        with: {
            "wasi:nn/tensor.tensor": crate::capability::ValueHandle,
            "wasi:nn/errors.error": crate::capability::ErrorHandle,
            "wasi:nn/graph.graph": crate::capability::GraphHandle,
            "wasi:nn/inference.graph-execution-context": crate::capability::ContextHandle,
            "wasi:keyvalue/store.bucket": crate::capability::BucketHandle,
            "wasi:keyvalue/atomics.cas": crate::capability::CasHandle,
            "scorebox:scoring/model.tensor": crate::capability::TensorHandle,
            "scorebox:scoring/redis.connection": crate::capability::ConnectionHandle,
        },
    });
}

/// Bindings of the world `scoring`, whose scorers take and return payloads.
pub mod scoring {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "scorebox:scoring/scoring",
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

/// Bindings of the world `tensor-scoring`, whose scorers take and return tensors.
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
