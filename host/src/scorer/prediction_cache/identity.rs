//! The identity of a scorer: everything that an answer depends on in addition to its input.
//!
//! Owns the list of these parts, and the digest that two scorers share only if all parts are equal.
//! Must not know the input of a call, or where answers are kept.

use std::collections::BTreeMap;

use super::entry::Key;
use super::parts::Parts;
use crate::manifest::{InputFacts, Requests, StoreSection};

/// Everything that can change the answers of a scorer, except the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Version of the host, which decodes inputs and encodes answers.
    pub host: String,
    /// Version of the WIT contract that the component was built against. The current version for a
    /// script and for a graph.
    pub wit_version: String,
    /// World that the scorer targets, e.g. `scoring`.
    pub world: String,
    /// Digest of the component. For a script, its entry and the digests of its files instead.
    /// `None` if a graph is served without a component.
    pub component: Option<String>,
    /// Name of the engine that runs components, with its settings. For a script, the digest of its
    /// engine pack, which has CPython. `None` if a graph is served without a component.
    pub engine: Option<String>,
    /// CPU level that the code of the component, or of a script's CPython, was compiled for. The
    /// level can change an answer, because the results of WebAssembly's relaxed instructions differ
    /// by CPU. `None` if the code was compiled when the host started, or if a graph is served
    /// without a component.
    pub cpu: Option<String>,
    /// True if instances start from a snapshot of the state after `init`. In that case `init` could
    /// not read settings.
    pub snapshot: bool,
    /// Name of the engine that runs graphs. `None` if no graph is run.
    pub graph_engine: Option<String>,
    /// Name of the graph that is served without a component. `None` if the manifest does not name a
    /// graph.
    pub graph: Option<String>,
    /// Digest of the model's files. `None` if there is no model.
    pub model: Option<String>,
    /// Name of the scorer, which `model.info` returns.
    pub name: String,
    /// Version of the scorer, which `model.info` returns.
    pub version: String,
    /// Labels of the scorer, which `model.info` returns.
    pub labels: BTreeMap<String, String>,
    /// Facts about the inputs of a tensor scorer, by the name of the input: whether the input takes
    /// missing values or booleans, and the names of its columns. The host reads a request into
    /// tensors by these facts.
    pub inputs: BTreeMap<String, InputFacts>,
    /// Section `[requests]` of the manifest: whether numbers may be the words `NaN` and `Infinity`,
    /// and whether unknown columns are ignored. The host reads a request into tensors by these
    /// settings.
    pub requests: Requests,
    /// Settings that the scorer reads through `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// Stores that the scorer may read, by name.
    pub stores: BTreeMap<String, StoreSection>,
    /// Maximum size of the memory of an instance, in bytes. A scorer may answer differently if it
    /// gets less memory.
    pub memory_bytes: u64,
    /// Maximum number of rows of a batch of joined calls. 0 if calls are not joined.
    pub batch_rows: u64,
}

impl Identity {
    /// Returns the digest of the identity, which is part of every cache key. The timeouts and
    /// keepalives of stores are left out, because they decide whether there is an answer, but not
    /// which answer.
    #[must_use]
    pub fn key(&self) -> Key {
        // The pattern has no `..`, so that a new field cannot be forgotten here.
        let Self {
            host,
            wit_version,
            world,
            component,
            engine,
            cpu,
            snapshot,
            graph_engine,
            graph,
            model,
            name,
            version,
            labels,
            inputs,
            requests:
                Requests {
                    nan_literals,
                    ignores_unknown_columns,
                },
            config,
            stores,
            memory_bytes,
            batch_rows,
        } = self;
        let mut parts = Parts::new("scorer");
        parts.text("host", host);
        parts.text("wit-version", wit_version);
        parts.text("world", world);
        parts.option("component", component.as_deref());
        parts.option("engine", engine.as_deref());
        parts.option("cpu", cpu.as_deref());
        parts.number("snapshot", u64::from(*snapshot));
        parts.option("graph-engine", graph_engine.as_deref());
        parts.option("graph", graph.as_deref());
        parts.option("model", model.as_deref());
        parts.text("name", name);
        parts.text("version", version);
        parts.map("labels", labels);
        parts.number("inputs", inputs.len() as u64);
        for (
            name,
            InputFacts {
                missing,
                boolean,
                columns,
            },
        ) in inputs
        {
            parts.text("input", name);
            parts.number("missing", u64::from(*missing));
            parts.number("boolean", u64::from(*boolean));
            parts.number("columns", columns.len() as u64);
            for column in columns {
                parts.text("column", column);
            }
        }
        parts.number("nan-literals", u64::from(*nan_literals));
        parts.number(
            "ignores-unknown-columns",
            u64::from(*ignores_unknown_columns),
        );
        parts.map("config", config);
        parts.number("stores", stores.len() as u64);
        for (
            name,
            StoreSection {
                url_variable,
                prefix,
                default_ttl,
                timeout: _,
                keepalive: _,
                commands,
            },
        ) in stores
        {
            parts.text("store", name);
            parts.text("url", url_variable);
            parts.text("prefix", prefix);
            parts.option(
                "default-ttl",
                default_ttl.map(|ttl| ttl.as_nanos().to_string()).as_deref(),
            );
            parts.text("commands", &format!("{commands:?}"));
        }
        parts.number("memory", *memory_bytes);
        parts.number("batch-rows", *batch_rows);
        parts.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::redis::raw::Allowed;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn store(prefix: &str) -> StoreSection {
        StoreSection {
            url_variable: "URL".to_owned(),
            prefix: prefix.to_owned(),
            default_ttl: None,
            timeout: Duration::from_secs(1),
            keepalive: Duration::from_secs(60),
            commands: Allowed::default(),
        }
    }

    fn columns(names: &[&str]) -> InputFacts {
        InputFacts {
            columns: names.iter().map(|name| (*name).to_owned()).collect(),
            ..InputFacts::default()
        }
    }

    fn identity() -> Identity {
        Identity {
            host: "1".to_owned(),
            wit_version: "0.1.0".to_owned(),
            world: "scoring".to_owned(),
            component: Some("sha256:c".to_owned()),
            engine: Some("wasmtime".to_owned()),
            cpu: Some("x86-64".to_owned()),
            snapshot: true,
            graph_engine: None,
            graph: None,
            model: Some("sha256:m".to_owned()),
            name: "risk".to_owned(),
            version: "1.0".to_owned(),
            labels: map(&[("a", "1"), ("b", "2")]),
            inputs: BTreeMap::from([("x".to_owned(), columns(&["a", "b"]))]),
            requests: Requests::default(),
            config: map(&[("c", "3")]),
            stores: BTreeMap::from([("default".to_owned(), store("p"))]),
            memory_bytes: 1 << 28,
            batch_rows: 0,
        }
    }

    #[test]
    fn every_part_changes_the_key_by_itself() {
        // The pattern has no `..`, so that a new field has to be changed below.
        let Identity {
            host: _,
            wit_version: _,
            world: _,
            component: _,
            engine: _,
            cpu: _,
            snapshot: _,
            graph_engine: _,
            graph: _,
            model: _,
            name: _,
            version: _,
            labels: _,
            inputs: _,
            requests: _,
            config: _,
            stores: _,
            memory_bytes: _,
            batch_rows: _,
        } = identity();
        let text = |text: &str| Some(text.to_owned());
        type Change<'a> = Box<dyn Fn(&mut Identity) + 'a>;
        let changes: Vec<Change<'_>> = vec![
            Box::new(|_| {}),
            Box::new(|identity| identity.host = "2".to_owned()),
            Box::new(|identity| identity.wit_version = "0.2.0".to_owned()),
            Box::new(|identity| identity.world = "tensor-scoring".to_owned()),
            Box::new(|identity| identity.component = text("sha256:d")),
            Box::new(|identity| identity.component = None),
            Box::new(|identity| identity.component = text("")),
            Box::new(|identity| identity.engine = text("wasmtime 2")),
            Box::new(|identity| identity.engine = None),
            Box::new(|identity| identity.cpu = text("x86-64-v3")),
            Box::new(|identity| identity.cpu = None),
            Box::new(|identity| identity.snapshot = false),
            Box::new(|identity| identity.graph_engine = text("onnxruntime")),
            Box::new(|identity| identity.graph_engine = text("")),
            Box::new(|identity| identity.graph = text("onnxruntime")),
            Box::new(|identity| identity.graph = text("a")),
            Box::new(|identity| identity.model = text("sha256:n")),
            Box::new(|identity| identity.model = None),
            Box::new(|identity| identity.name = "risks".to_owned()),
            Box::new(|identity| identity.version = "1.1".to_owned()),
            // This moves a character from one text to the next.
            Box::new(|identity| {
                (identity.name, identity.version) = ("risk1".to_owned(), ".0".to_owned())
            }),
            // These move characters from a key to its value and between two pairs, and a pair from
            // one map to the other.
            Box::new(|identity| identity.labels = map(&[("a1", ""), ("b", "2")])),
            Box::new(|identity| identity.labels = map(&[("", "a1"), ("b", "2")])),
            Box::new(|identity| identity.labels = map(&[("a", "1b"), ("", "2")])),
            Box::new(|identity| identity.labels = map(&[("a", "2"), ("b", "1")])),
            Box::new(|identity| identity.labels = map(&[("a", "1")])),
            Box::new(|identity| identity.labels = map(&[])),
            Box::new(|identity| identity.config = map(&[("c", "4")])),
            Box::new(|identity| identity.config = map(&[("d", "3")])),
            Box::new(|identity| identity.config = map(&[])),
            Box::new(|identity| {
                identity.labels = map(&[("a", "1")]);
                identity.config = map(&[("b", "2"), ("c", "3")]);
            }),
            Box::new(|identity| {
                identity.labels = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
                identity.config = map(&[]);
            }),
            Box::new(|identity| std::mem::swap(&mut identity.labels, &mut identity.config)),
            Box::new(|identity| identity.inputs.clear()),
            Box::new(|identity| drop(identity.inputs.insert("x".to_owned(), columns(&["b", "a"])))),
            Box::new(|identity| drop(identity.inputs.insert("x".to_owned(), columns(&["ab"])))),
            Box::new(|identity| drop(identity.inputs.insert("y".to_owned(), columns(&[])))),
            Box::new(|identity| {
                identity
                    .inputs
                    .values_mut()
                    .for_each(|facts| facts.missing = true);
            }),
            Box::new(|identity| {
                identity
                    .inputs
                    .values_mut()
                    .for_each(|facts| facts.boolean = true);
            }),
            Box::new(|identity| identity.requests.nan_literals = true),
            Box::new(|identity| identity.requests.ignores_unknown_columns = true),
            Box::new(|identity| identity.stores.clear()),
            Box::new(|identity| drop(identity.stores.insert("default".to_owned(), store("q")))),
            Box::new(|identity| drop(identity.stores.insert("more".to_owned(), store("p")))),
            Box::new(|identity| {
                let url_variable = "OTHER".to_owned();
                identity.stores.insert(
                    "default".to_owned(),
                    StoreSection {
                        url_variable,
                        ..store("p")
                    },
                );
            }),
            Box::new(|identity| {
                let default_ttl = Some(Duration::from_secs(1));
                identity.stores.insert(
                    "default".to_owned(),
                    StoreSection {
                        default_ttl,
                        ..store("p")
                    },
                );
            }),
            Box::new(|identity| {
                let commands = Allowed::parse(&["hget".to_owned()]).unwrap();
                identity.stores.insert(
                    "default".to_owned(),
                    StoreSection {
                        commands,
                        ..store("p")
                    },
                );
            }),
            Box::new(|identity| identity.memory_bytes = 1),
            Box::new(|identity| identity.batch_rows = 8),
        ];
        let key = |change: &Change<'_>| {
            let mut identity = identity();
            change(&mut identity);
            identity.key()
        };
        let keys: BTreeSet<Key> = changes.iter().map(key).collect();
        assert_eq!(keys.len(), changes.len());
    }
}
