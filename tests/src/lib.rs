//! The harness of the whole-system tests: real programs, started with an empty environment, on
//! ports of their own.
//!
//! Owns what several tests need. Must not know what any test proves, and waits for conditions,
//! never for time: see [`wait`]. The tests themselves are in `tests/AREA/`. Each area is one test
//! program, with one file for each topic.

pub mod app;
pub mod cable;
pub mod certificates;
pub mod connection;
pub mod container;
pub mod cpu_time;
pub mod debian;
pub mod digits;
pub mod double;
pub mod extent;
pub mod forgery;
pub mod functions;
pub mod gaps;
pub mod host;
pub mod http;
pub mod http2;
pub mod identity;
pub mod libraries;
pub mod log;
pub mod models;
pub mod mutation;
pub mod numpy;
pub mod onnx;
pub mod onnx_cases;
pub mod onnx_hostile;
pub mod onnx_refused;
pub mod packaging;
pub mod place;
pub mod programs;
pub mod redis;
pub mod redis_cluster;
pub mod redis_sentinel;
pub mod registry;
pub mod release;
pub mod run;
pub mod safetensors;
pub mod scripts;
pub mod shared;
pub mod skip;
pub mod snapshot;
pub mod stand_in;
pub mod store_cases;
pub mod store_ops;
pub mod verdict;
pub mod wait;
pub mod wheel;
pub mod zip_file;
