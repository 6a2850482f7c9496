//! The standard interface to graphs, `wasi:nn`, unchanged.
//!
//! Owns only the export of the interface, which is for code that runs on other hosts too.
//! [`graphs`](crate::graphs) is shorter to write, and takes elements of every type. The names for
//! `load_by_name` are those of the model's `.onnx` files without their extension. `load` is always
//! refused. A graph that is opened in `init` needs `snapshot = false` in `scorebox.toml`, so open
//! it on the first run instead. Must not add to wasi:nn.

pub use crate::bindings::capabilities::wasi::nn::{errors, graph, inference, tensor};
