//! Ports: the named inputs and outputs of scorers and graphs.
//!
//! Owns what a port states about its tensors, and the text of its shape. Must not know how a tensor
//! is checked, or whose ports they are.

use serde_json::{Map, Value};

use crate::manifest::{self, names};
use crate::model::Dtype;
use crate::text::NAME_BYTES;

pub use crate::manifest::{InputFacts, Requests};

/// Port: a named input or output of a scorer or a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name of the port, unique among the inputs or among the outputs.
    pub name: String,
    /// Type of the port's elements.
    pub dtype: Dtype,
    /// Dimensions of the port. A dimension is `None` if the port accepts any size.
    pub shape: Vec<Option<u64>>,
    /// Facts that the component or the manifest states about the port, e.g. that its elements may
    /// be missing. Only input ports have facts that differ from the default.
    pub facts: InputFacts,
    /// True for an input that a call may leave out, because the model has a default value for it.
    pub optional: bool,
}

impl Port {
    /// Creates a port that is not optional, and about which no facts are stated.
    #[must_use]
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: Vec<Option<u64>>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape,
            facts: InputFacts::default(),
            optional: false,
        }
    }

    /// Returns the facts of this port that differ from the default, and `optional` if the port is
    /// optional, as the members of a JSON object for people and programs that ask about the port.
    #[must_use]
    pub fn stated(&self) -> Map<String, Value> {
        let flags = [
            ("missing", self.facts.missing),
            ("boolean", self.facts.boolean),
            ("optional", self.optional),
        ];
        let mut stated = Map::new();
        for (name, is_set) in flags {
            if is_set {
                stated.insert(name.to_owned(), is_set.into());
            }
        }
        if !self.facts.columns.is_empty() {
            stated.insert("columns".to_owned(), self.facts.columns.as_slice().into());
        }
        stated
    }

    /// Returns the full name of a setting of this input for an error message, such as
    /// `inputs.age.missing`. `key` is the last part of the name.
    #[must_use]
    pub fn setting(&self, key: &str) -> String {
        format!("inputs.{}.{key}", names::written(&self.name))
    }
}

/// Input and output ports of a tensor scorer, and the rules for reading its requests.
#[derive(Debug, Clone, Copy)]
pub struct PortLists<'a> {
    /// Input ports, with unique names.
    pub inputs: &'a [Port],
    /// Output ports, with unique names.
    pub outputs: &'a [Port],
    /// Section `[requests]` of the manifest: how strictly the JSON bodies of requests are read.
    pub requests: Requests,
}

/// Returns the port that is meant if a caller does not name an input, with its index. It is the
/// only port that is not optional. Returns `None` if there is no such port, or more than one.
#[must_use]
pub fn only(ports: &[Port]) -> Option<(usize, &Port)> {
    let mut required = ports.iter().enumerate().filter(|(_, port)| !port.optional);
    let only = required.next();
    only.filter(|_| required.next().is_none())
}

/// Returns the name of the port that a caller may mean by `name`, which is not the name of a port.
/// Returns `None` if no port has a similar name, or if `name` is very long.
#[must_use]
pub fn near<'a>(ports: &'a [Port], name: &str) -> Option<&'a str> {
    // The work grows with the product of the lengths, and no long name is a misspelled one.
    let names = ports.iter().map(|port| port.name.as_str());
    (name.len() <= NAME_BYTES)
        .then(|| manifest::near(name, names.filter(|name| name.len() <= NAME_BYTES)))
        .flatten()
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
