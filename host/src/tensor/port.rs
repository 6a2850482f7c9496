//! Ports: the named inputs and outputs of scorers and graphs.
//!
//! Owns what a port states about its tensors, and the text of its shape. Must not know how a tensor
//! is checked, or whose ports they are.

use crate::model::Dtype;

/// Port: a named input or output of a scorer or a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name of the port, unique among the inputs or among the outputs.
    pub name: String,
    /// Type of the port's elements.
    pub dtype: Dtype,
    /// Dimensions of the port. A dimension is `None` if the port accepts any size.
    pub shape: Vec<Option<u64>>,
}

/// Input and output ports of a tensor scorer.
#[derive(Debug, Clone, Copy)]
pub struct PortLists<'a> {
    /// Input ports, with unique names.
    pub inputs: &'a [Port],
    /// Output ports, with unique names.
    pub outputs: &'a [Port],
}

/// Returns a port's shape as text for people, such as `[N, 784]`, with `N` for a dimension of any
/// size.
#[must_use]
pub fn shape_text(port: &Port) -> String {
    let dimensions: Vec<_> = port
        .shape
        .iter()
        .map(|dimension| dimension.map_or_else(|| "N".to_owned(), |size| size.to_string()))
        .collect();
    format!("[{}]", dimensions.join(", "))
}
