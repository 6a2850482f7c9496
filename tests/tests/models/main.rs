//! Tests of the area `models`: graphs, tensors and weights, and the files that hold them.
//!
//! Owns the list of its modules. Each compares answers with another program, or damages the files.

mod clients;
mod digits;
mod dtypes;
mod graph_components;
mod graphs;
mod hostile;
mod numpy;
mod published_graph;
mod scripts;
mod stated_inputs;
mod tensors;
mod weights;
