//! Code that wit-bindgen generates from the WIT files in `guest/wit`: the imports of the world
//! `capabilities`, and the exports of the worlds `scoring` and `tensor-scoring`.
//!
//! Owns only generated code. A scorer must not use this module directly, because the other modules
//! wrap it. The imports are generated apart from the exports, so that both worlds use the same Rust
//! types. A component gets the description of a world only by a call of the world's export macro,
//! so a scorer targets the world whose macro it calls.
#![allow(
    missing_docs,
    unsafe_code,
    reason = "generated: the documentation is the WIT's, the ABI needs raw pointers"
)]

pub mod capabilities {
    wit_bindgen::generate!({
        path: "wit",
        world: "capabilities",
        generate_all,
        generate_unused_types: true,
    });
}

pub mod scoring {
    wit_bindgen::generate!({
        path: "wit",
        world: "scoring",
        export_macro_name: "export_scoring",
        pub_export_macro: true,
        with: {
            "scorebox:scoring/types@0.2.0": super::capabilities::scorebox::scoring::types,
            "scorebox:scoring/model@0.2.0": super::capabilities::scorebox::scoring::model,
            "scorebox:scoring/graphs@0.2.0": super::capabilities::scorebox::scoring::graphs,
            "scorebox:scoring/cache@0.2.0": super::capabilities::scorebox::scoring::cache,
            "scorebox:scoring/redis@0.2.0": super::capabilities::scorebox::scoring::redis,
            "scorebox:scoring/metrics@0.2.0": super::capabilities::scorebox::scoring::metrics,
            "wasi:nn/tensor@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::tensor,
            "wasi:nn/errors@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::errors,
            "wasi:nn/graph@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::graph,
            "wasi:nn/inference@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::inference,
            "wasi:keyvalue/store@0.2.0-draft2": super::capabilities::wasi::keyvalue::store,
            "wasi:keyvalue/atomics@0.2.0-draft2": super::capabilities::wasi::keyvalue::atomics,
            "wasi:keyvalue/batch@0.2.0-draft2": super::capabilities::wasi::keyvalue::batch,
            "wasi:logging/logging@0.1.0-draft": super::capabilities::wasi::logging::logging,
            "wasi:config/store@0.2.0-draft": super::capabilities::wasi::config::store,
        },
    });
}

pub mod tensor_scoring {
    wit_bindgen::generate!({
        path: "wit",
        world: "tensor-scoring",
        export_macro_name: "export_tensor_scoring",
        pub_export_macro: true,
        with: {
            "scorebox:scoring/types@0.2.0": super::capabilities::scorebox::scoring::types,
            "scorebox:scoring/model@0.2.0": super::capabilities::scorebox::scoring::model,
            "scorebox:scoring/graphs@0.2.0": super::capabilities::scorebox::scoring::graphs,
            "scorebox:scoring/cache@0.2.0": super::capabilities::scorebox::scoring::cache,
            "scorebox:scoring/redis@0.2.0": super::capabilities::scorebox::scoring::redis,
            "scorebox:scoring/metrics@0.2.0": super::capabilities::scorebox::scoring::metrics,
            "wasi:nn/tensor@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::tensor,
            "wasi:nn/errors@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::errors,
            "wasi:nn/graph@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::graph,
            "wasi:nn/inference@0.2.0-rc-2024-10-28": super::capabilities::wasi::nn::inference,
            "wasi:keyvalue/store@0.2.0-draft2": super::capabilities::wasi::keyvalue::store,
            "wasi:keyvalue/atomics@0.2.0-draft2": super::capabilities::wasi::keyvalue::atomics,
            "wasi:keyvalue/batch@0.2.0-draft2": super::capabilities::wasi::keyvalue::batch,
            "wasi:logging/logging@0.1.0-draft": super::capabilities::wasi::logging::logging,
            "wasi:config/store@0.2.0-draft": super::capabilities::wasi::config::store,
        },
    });
}
