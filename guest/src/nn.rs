//! The standard interface to graphs, `wasi:nn`, unchanged.
//!
//! Owns only the export of the interface, which is for code that runs on other hosts too.
//! [`graphs`](crate::graphs) is shorter to write, and takes elements of every type. The names for
//! `load_by_name` are those of the model's `.onnx` files without their extension. `load` is always
//! refused. A graph that is opened in `init` needs `snapshot = false` in `scorebox.toml`, so open
//! it on the first run instead. Must not add to wasi:nn.
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
