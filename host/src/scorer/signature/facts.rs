//! Facts about inputs that a component or `scorebox.toml` states, added to the input ports of the
//! scorer: whether an input takes missing values or booleans, and the names of its columns.
//!
//! Owns the check that a fact fits its port, and the rule that the manifest replaces what the
//! component states. Must not know how a request is read, or the form in which the facts are
//! stated.

use std::collections::BTreeMap;

use super::{Signature, SignatureError, TensorSignature};
use crate::manifest::{
    InputFacts, InputSection, Manifest, ManifestError, Requests, check_columns, names, nearest,
};
use crate::model::Dtype;
use crate::tensor::{Port, shape_text};
use crate::text::{NAME_BYTES, Problem, counted, quoted};

impl TensorSignature {
    /// Applies the sections `[inputs.<name>]` of the manifest to the input ports of these names,
    /// and the section `[requests]` to the whole signature. A fact in the manifest replaces the
    /// fact that the component states. The last dimension of a port whose columns have names
    /// becomes the number of these columns.
    ///
    /// # Errors
    /// Fails if a section is not named after an input port, or if a fact does not fit its port.
    pub(in super::super) fn add_facts(&mut self, manifest: &Manifest) -> Result<(), ManifestError> {
        self.requests = manifest.requests;
        add(&mut self.inputs, &manifest.inputs).map_err(|problem| manifest.misfit(problem))
    }

    /// Allows requests to hold each value that the sections `[inputs.<name>]` and `[requests]`
    /// could allow: literals for NaN, missing values, and booleans for numbers. Meant for the trial
    /// of a graph without a manifest.
    #[cfg(feature = "graphs")]
    pub(in super::super) fn allow_all(&mut self) {
        self.requests.nan_literals = true;
        for port in &mut self.inputs {
            port.facts.missing = may_be_missing(port.dtype);
            port.facts.boolean = is_number(port.dtype);
        }
    }
}

/// Checks that the manifest states no facts about inputs if the scorer takes payloads, because the
/// host does not read the elements of a payload.
///
/// # Errors
/// Fails if the scorer takes payloads and the manifest has a section `[inputs.<name>]` or a setting
/// of `[requests]`.
pub(in super::super) fn check_payloads(
    manifest: &Manifest,
    signature: Signature<'_>,
) -> Result<(), ManifestError> {
    let has_facts = !manifest.inputs.is_empty() || manifest.requests != Requests::default();
    if !has_facts || matches!(signature, Signature::Tensor(_)) {
        return Ok(());
    }
    let key = manifest.inputs.keys().next().map_or_else(
        || "requests".to_owned(),
        |name| format!("inputs.{}", names::written(name)),
    );
    Err(manifest.misfit(Problem::new(
        format!("`{key}` is about tensors, and this scorer takes payloads, which it reads itself"),
        "remove [inputs.<name>] and [requests], or export the world `tensor-scoring`",
    )))
}

/// Checks the facts that a component states about its input ports.
///
/// # Errors
/// Fails if a fact is invalid or does not fit its port.
pub(super) fn check_stated(ports: &[Port]) -> Result<(), SignatureError> {
    for port in ports {
        let columns = check_columns(&port.setting("columns"), &port.facts.columns);
        columns
            .and_then(|()| check(port, &port.facts))
            .map_err(|Problem { problem, .. }| SignatureError::InputFacts(problem))?;
    }
    Ok(())
}

/// Applies the facts that the manifest states to the ports. Sets the last dimension of each port
/// whose columns have names to the number of these columns. Fails if a section is not named after a
/// port, or if a fact does not fit its port.
fn add(ports: &mut [Port], inputs: &BTreeMap<String, InputSection>) -> Result<(), Problem> {
    for (name, section) in inputs {
        let index = index_of(ports, name)?;
        if let Some(port) = ports.get_mut(index) {
            let facts = section.over(&port.facts);
            check(port, &facts)?;
            port.facts = facts;
        }
    }
    for port in ports {
        if let (Some(last), false) = (port.shape.last_mut(), port.facts.columns.is_empty()) {
            *last = Some(port.facts.columns.len() as u64);
        }
    }
    Ok(())
}

/// Returns the index of the port with the given name. Fails if there is no such port.
fn index_of(ports: &[Port], name: &str) -> Result<usize, Problem> {
    if let Some(index) = ports.iter().position(|port| port.name == name) {
        return Ok(index);
    }
    let near = nearest(
        &quoted(name, NAME_BYTES),
        ports.iter().map(|port| port.name.as_str()),
    );
    let name = names::written(name);
    Err(Problem::new(
        format!("`inputs.{name}`: the scorer has no input of this name"),
        format!(
            "the nearest is `{}`; `scorebox check` lists them all",
            quoted(near, NAME_BYTES)
        ),
    ))
}

/// Fails if `facts`, which the manifest or the component states about a port, do not fit the type
/// or the shape of the port.
fn check(port: &Port, facts: &InputFacts) -> Result<(), Problem> {
    let misfit = |key: &str, problem: String, fix: &str| {
        Err(Problem::new(
            format!("`{}`: {problem}", port.setting(key)),
            fix,
        ))
    };
    let dtype = port.dtype.name();
    if facts.missing && !may_be_missing(port.dtype) {
        let problem = format!("the input is {dtype}, which has no missing value");
        return misfit(
            "missing",
            problem,
            "remove the line, or take the input as f32 or f64, which have NaN",
        );
    }
    if facts.boolean && !is_number(port.dtype) {
        let problem = format!("the input is {dtype}, and not of numbers");
        return misfit("boolean", problem, "remove the line");
    }
    if facts.columns.is_empty() {
        return Ok(());
    }
    let shape = shape_text(port);
    match port.shape.as_slice() {
        [_, Some(columns)] if *columns != facts.columns.len() as u64 => {
            let problem = format!(
                "the list has {}, and the input is {shape}",
                counted(facts.columns.len() as u64, "name")
            );
            misfit(
                "columns",
                problem,
                "name each column once, in the order of the matrix",
            )
        }
        [_, _] => Ok(()),
        _ => {
            let problem = format!("the input is {shape}, and only a matrix has columns");
            misfit("columns", problem, "remove the line")
        }
    }
}

/// Returns true if the type `dtype` has a value for a missing element: NaN, or the empty text.
fn may_be_missing(dtype: Dtype) -> bool {
    dtype.is_float() || dtype == Dtype::Text
}

fn is_number(dtype: Dtype) -> bool {
    !matches!(dtype, Dtype::Bool | Dtype::Text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tensor::EqualSizes;

    fn signature() -> TensorSignature {
        TensorSignature {
            inputs: vec![
                Port::new("age", Dtype::F32, vec![None, Some(1)]),
                Port::new("X", Dtype::F64, vec![None, Some(2)]),
                Port::new("open", Dtype::F64, vec![None, None]),
                Port::new("city", Dtype::Text, vec![None]),
                Port::new("count", Dtype::I64, vec![None]),
                Port::new("is new", Dtype::Bool, vec![None]),
            ],
            outputs: Vec::new(),
            sizes: EqualSizes::default(),
            requests: Requests::default(),
            batchable: false,
            deterministic: true,
            examples: Vec::new(),
        }
    }

    fn manifest(sections: &str) -> Manifest {
        let text = format!("[scorer]\nname = \"m\"\nmodel = \"model\"\n{sections}");
        Manifest::parse(Path::new("app/scorebox.toml"), &text).unwrap()
    }

    #[test]
    fn facts_reach_their_ports() {
        let mut signature = signature();
        let sections = "[requests]\nnan_literals = true\n[inputs.age]\nmissing = true\n\
                        [inputs.open]\ncolumns = [\"a\", \"b\", \"c\"]\n[inputs.city]\nmissing = true\n\
                        [inputs.count]\nboolean = true\n[inputs.X]\ncolumns = [\"a\", \"b\"]";
        signature.add_facts(&manifest(sections)).unwrap();
        assert!(signature.ports().requests.nan_literals);
        let facts = |name: &str| {
            let port = signature.inputs.iter().find(|port| port.name == name);
            let facts = &port.unwrap().facts;
            (facts.missing, facts.boolean, facts.columns.len())
        };
        assert_eq!(facts("age"), (true, false, 0));
        assert_eq!(facts("X"), (false, false, 2));
        assert_eq!(facts("city"), (true, false, 0));
        assert_eq!(facts("count"), (false, true, 0));
        assert_eq!(facts("open"), (false, false, 3));
        // The names say how many columns there are.
        assert_eq!(signature.inputs[2].shape, [None, Some(3)]);
    }

    #[test]
    fn a_manifest_wins_over_a_component() {
        let facts = |columns: &[&str]| InputFacts {
            missing: true,
            boolean: true,
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
        };
        let mut signature = signature();
        signature.inputs[0].facts = facts(&[]);
        signature.inputs[2].facts = facts(&["a", "b", "c"]);
        check_stated(&signature.inputs).unwrap();
        // The number of columns stays open until the manifest is read, because the manifest may
        // name other columns.
        assert_eq!(signature.inputs[2].shape, [None, None]);
        let sections = "[inputs.age]\nmissing = false\n[inputs.open]\ncolumns = [\"d\", \"e\"]";
        signature.add_facts(&manifest(sections)).unwrap();
        let [age, _, open, ..] = signature.inputs.as_slice() else {
            panic!()
        };
        assert_eq!((age.facts.missing, age.facts.boolean), (false, true));
        assert_eq!(
            (&open.shape, open.facts.columns.len()),
            (&vec![None, Some(2)], 2)
        );
        assert!(open.facts.missing && open.facts.boolean);
    }

    #[test]
    fn a_component_is_held_to_the_rules_for_manifests() {
        #[track_caller]
        fn check(name: &str, missing: bool, columns: &[&str], expected: &str) {
            let mut inputs = signature().inputs;
            let port = inputs.iter_mut().find(|port| port.name == name).unwrap();
            port.facts = InputFacts {
                missing,
                boolean: false,
                columns: columns.iter().map(|&name| name.to_owned()).collect(),
            };
            let message = check_stated(&inputs).unwrap_err().to_string();
            assert_eq!(message, expected);
        }
        check(
            "count",
            true,
            &[],
            "`inputs.count.missing`: the input is i64, which has no missing value",
        );
        check(
            "X",
            false,
            &["a", "a"],
            "`inputs.X.columns`: there are two columns `a`",
        );
        check(
            "X",
            false,
            &["a", ""],
            "`inputs.X.columns`: a name is empty",
        );
        check(
            "X",
            false,
            &["a"],
            "`inputs.X.columns`: the list has 1 name, and the input is [N, 2]",
        );
    }

    #[test]
    fn a_fact_that_does_not_fit_its_port_is_refused() {
        #[track_caller]
        fn check(sections: &str, expected: &str) {
            let error = signature().add_facts(&manifest(sections)).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.starts_with("app/scorebox.toml: "), "{message}");
        }
        check(
            "[inputs.agee]\nmissing = true",
            "`inputs.agee`: the scorer has no input of this name\n  fix: the nearest is `age`;",
        );
        check(
            "[inputs.\"is nwe\"]\nmissing = true",
            "`inputs.\"is nwe\"`: the scorer has no input of this name\n  fix: the nearest is `is new`;",
        );
        check(
            "[inputs.count]\nmissing = true",
            "`inputs.count.missing`: the input is i64, which has no missing value",
        );
        check(
            "[inputs.\"is new\"]\nmissing = true",
            "`inputs.\"is new\".missing`: the input is bool",
        );
        check(
            "[inputs.city]\nboolean = true",
            "`inputs.city.boolean`: the input is text",
        );
        check(
            "[inputs.\"is new\"]\nboolean = true",
            "`inputs.\"is new\".boolean`: the input is bool",
        );
        check(
            "[inputs.X]\ncolumns = [\"a\"]",
            "`inputs.X.columns`: the list has 1 name, and the input is [N, 2]",
        );
        check(
            "[inputs.city]\ncolumns = [\"a\"]",
            "`inputs.city.columns`: the input is [N], and only a matrix has columns",
        );
    }
}
