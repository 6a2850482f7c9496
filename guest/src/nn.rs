//! The standard interface to graphs, `wasi:nn`, unchanged.
//!
//! Owns only the re-export of wasi:nn, for code that must also run on other hosts. Must not add to
//! wasi:nn. [`graphs`](crate::graphs) is shorter to write, and takes elements of every type. The
//! names for `load_by_name` are the paths of the model's `.onnx` files without `.onnx`. The host
//! always refuses `load`. To open a graph in `init`, a scorer needs `snapshot = false` under
//! `[scorer]` in the `scorebox.toml`. Without it, open the graph in the first call of `run`.
//!
//! ```no_run
//! use scorebox_guest::nn::graph::load_by_name;
//! use scorebox_guest::nn::tensor::{Tensor, TensorType};
//!
//! # fn run() -> scorebox_guest::Result<()> {
//! let context = load_by_name("risk")?.init_execution_context()?;
//! let income = Tensor::new(&[1, 1], TensorType::Fp32, &41_000_f32.to_le_bytes());
//! for (name, tensor) in context.compute(vec![("income".to_owned(), income)])? {
//!     println!("{name} has {} bytes", tensor.data().len());
//! }
//! # Ok(())
//! # }
//! ```

pub use crate::bindings::capabilities::wasi::nn::{errors, graph, inference, tensor};
