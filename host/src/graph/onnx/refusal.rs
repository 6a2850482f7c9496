//! The reasons why the engine does not load a file, each with its own fix.
//!
//! Owns the parts of the engine's messages by which a reason is recognized, and the fixes. Must not
//! know sessions. Most reasons have no error code of their own, so these parts must be reviewed for
//! each new version of the engine. Whole-system tests compare them with the engine's messages.

use std::path::Path;

use super::outline::{self, OutlineError};
use crate::graph::ENGINE;
use crate::graph::foreign::Foreign;
use crate::text::{NAME_BYTES, Problem, quoted};

/// Newest versions of the operator sets (opsets) that this version of the engine supports, for the
/// text of a fix.
const NEWEST_OPERATORS: &str = "26 of ai.onnx and 5 of ai.onnx.ml";

/// Returns the problem with a file that the engine did not load, and its fix. `said` is the
/// engine's message. `is_unparsed` is true if the engine could not parse the file at all.
pub(super) fn explained(file: &Path, said: &str, is_unparsed: bool) -> Problem {
    if let Ok(Some(foreign)) = Foreign::of_file(file) {
        let Problem { problem, fix } = foreign.problem();
        return Problem::new(format!("it {problem}"), fix);
    }
    if is_unparsed {
        return unparsed(file);
    }
    let said = said.trim_end();
    let folder = file.parent().unwrap_or(Path::new(""));
    weights(said, folder)
        .or_else(|| versions(said))
        .or_else(|| operator(said))
        .unwrap_or_else(|| {
            let fix = FIXES.iter().find(|(words, _)| said.contains(words));
            Problem::new(said, fix.map_or(CHECK, |(_, fix)| fix))
        })
}

/// Returns the problem with a file that the engine could not parse, and its fix. The file cannot be
/// read, was cut off, or is not an ONNX file.
fn unparsed(file: &Path) -> Problem {
    match outline::inputs_without_shape(file) {
        Err(error @ OutlineError::Cut(_)) => {
            Problem::new(format!("it {error}, so it was truncated"), WHOLE)
        }
        Err(OutlineError::Unreadable(error)) => Problem::new(
            format!("it cannot be read: {error}"),
            "make the file readable for the user that the host runs as",
        ),
        Err(OutlineError::NotOnnx) | Ok(_) => Problem::new(
            "it is not an ONNX file, or was damaged in transit",
            "name a file that was exported as ONNX, and copy or download it again; if the model \
             has another format, convert it to ONNX where it was trained",
        ),
    }
}

/// Fix for a file that lacks its end.
const WHOLE: &str = "copy or download it again, and compare its size with that of the original";

/// Fix for operators that are not part of ONNX.
const NO_CUSTOM: &str = "export the model with the operators of ONNX alone, because the host does \
                         not load libraries of custom operators; if a step needs one, do it in a \
                         component that calls the graph";

/// Fix for inputs and outputs that have no element type, or one that the engine does not support.
const NO_TYPE: &str = "export it with an element type for each input and output: f32, f64, whole \
                       numbers, bool or text";

/// Fix for a file that the engine does not load for a reason without a fix of its own.
const CHECK: &str = "check the file with onnx.checker.check_model(FILE) where it was made, and \
                     convert it again; a file that was damaged in transit fails in the same way";

/// Parts of the engine's messages, each with the fix for the problem that such a message reports.
const FIXES: [(&str, &str); 12] = [
    (
        "External data path",
        "keep the weights in the folder of the graph: \
         onnx.save(onnx.load(FILE), NEW, save_as_external_data=True, location=\"weights.bin\")",
    ),
    (
        "External initializer",
        "copy or download the file with the weights again, because it is shorter than the graph \
         says",
    ),
    ("No opset import for domain", NO_CUSTOM),
    (
        "Could not find an implementation for",
        "export the model with another element type, usually f32: the engine has this operator, \
         but not for the type in the file",
    ),
    ("does not have type information", NO_TYPE),
    ("Invalid tensor data type", NO_TYPE),
    ("is not currently registered or supported", NO_TYPE),
    ("No graph was found in the protobuf", WHOLE),
    ("Missing opset in the model", WHOLE),
    ("Missing model IR version", WHOLE),
    (
        "is not a graph input, initializer, or output of a previous node",
        "export the model again; if a tool removed weights or inputs from the file, use the file \
         from before",
    ),
    (
        "Failed to construct locale",
        "convert the model with the locale `C`: options of skl2onnx for a text vectorizer take \
         \"locale\": \"C\"",
    ),
];

/// Returns the problem and its fix if `said`, the engine's message, reports that weights are in
/// another file, which is missing. Returns `None` for any other message. `folder` is the folder of
/// the graph.
fn weights(said: &str, folder: &Path) -> Option<Problem> {
    let (_, path) = said.split_once("External data path does not exist: \"")?;
    let path = Path::new(path.split('"').next()?);
    let folder = std::fs::canonicalize(folder).unwrap_or_default();
    let name = path.strip_prefix(&folder).unwrap_or(path).display();
    Some(Problem::new(
        format!("its weights are in `{name}`, and there is no such file"),
        format!(
            "put `{name}` into the folder of the graph; or write graph and weights into one file \
             where they are: onnx.save(onnx.load(FILE), NEW)"
        ),
    ))
}

/// Returns the problem and its fix if `said`, the engine's message, reports that the file uses a
/// version of ONNX that is too new. Returns `None` for any other message.
fn versions(said: &str) -> Option<Problem> {
    if let Some((_, versions)) = said.split_once("Unsupported model IR version: ") {
        let (found, newest) = versions.split_once(", max supported IR version: ")?;
        return Some(Problem::new(
            format!("it has the IR version {found}, and {ENGINE} takes versions up to {newest}"),
            format!(
                "if the file uses nothing newer, state version {newest} in it: \
                 model = onnx.load(FILE); model.ir_version = {newest}; onnx.save(model, FILE); \
                 otherwise export it with an older release of the Python module onnx"
            ),
        ));
    }
    let (_, rest) = said.split_once("opset versions. Opset ")?;
    let found = rest.split(' ').next()?;
    let (_, rest) = rest.split_once("official support for domain ")?;
    let (domain, newest) = rest.trim_end_matches('.').split_once(" is till opset ")?;
    Some(Problem::new(
        format!(
            "it uses version {found} of the operators of {domain}, and {ENGINE} takes versions up \
             to {newest}"
        ),
        format!(
            "export it with version {newest} of {domain} or an older one, with `opset_version` of \
             torch.onnx.export or `target_opset` of skl2onnx; or convert the file with \
             onnx.version_converter.convert_version"
        ),
    ))
}

/// Returns the problem and its fix if `said`, the engine's message, reports that the engine does
/// not have an operator that the file uses. Returns `None` for any other message.
fn operator(said: &str) -> Option<Problem> {
    if let Some((_, rest)) = said.split_once("Fatal error: ")
        && let Some((operator, _)) = rest.split_once("is not a registered function/op")
    {
        // The operator has the form `com.acme:Foo(-1)`.
        let operator = operator.split('(').next()?;
        let (domain, operator) = operator.rsplit_once(':').unwrap_or(("ai.onnx", operator));
        return Some(Problem::new(
            format!(
                "it uses the operator `{}` of `{}`, which {ENGINE} does not have",
                quoted(operator, NAME_BYTES),
                quoted(domain, NAME_BYTES)
            ),
            NO_CUSTOM,
        ));
    }
    let (_, rest) = said.split_once("No Op registered for ")?;
    let (operator, version) = rest.split_once(" with domain_version of ")?;
    Some(Problem::new(
        format!(
            "it uses the operator `{}`, which version {version} of its operators does not have",
            quoted(operator, NAME_BYTES)
        ),
        format!(
            "export it with a newer version of the operators, at most {NEWEST_OPERATORS}; if no \
             version has it, export the model with the operators of ONNX alone"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that each message of the engine leads to its own problem and fix.
    #[test]
    fn each_reason_has_its_fix() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.onnx");
        std::fs::write(&file, b"\x08\x08").unwrap();
        let check = |said: &str, problem: &str, fix: &str| {
            let found = explained(&file, said, false);
            assert!(found.problem.contains(problem), "{found:?}");
            assert!(found.fix.contains(fix), "{found:?}");
        };
        let missing = std::fs::canonicalize(&folder).unwrap().join("a/w.bin");
        check(
            &format!(
                "External data path validation failed for initializer: w. Error: x.cc:461 \
                 ValidateExternalDataPathFromDir External data path does not exist: \"{}\"",
                missing.display()
            ),
            "its weights are in `a/w.bin`, and there is no such file",
            "put `a/w.bin` into the folder of the graph",
        );
        check(
            "External data path validation failed for initializer: w. Error: External data path \
             escapes model directory.",
            "escapes",
            "location=\"weights.bin\"",
        );
        check(
            "x.cc:46 ONNX Runtime only *guarantees* support for models stamped with official \
             released onnx opset versions. Opset 99 is under development and support for this is \
             limited. Current official support for domain ai.onnx is till opset 26.\n",
            "version 99 of the operators of ai.onnx, and ONNX Runtime 1.31.1 takes versions up to 26",
            "version 26 of ai.onnx or an older one",
        );
        check(
            "model.cc:256 Unsupported model IR version: 99, max supported IR version: 13\n",
            "IR version 99, and ONNX Runtime 1.31.1 takes versions up to 13",
            "model.ir_version = 13;",
        );
        check(
            "Load model from m.onnx failed:Fatal error: com.acme:Foo(-1) is not a registered \
             function/op",
            "the operator `Foo` of `com.acme`",
            "custom operators",
        );
        check(
            "Error No Op registered for Gelu with domain_version of 15",
            "the operator `Gelu`, which version 15",
            "at most 26 of ai.onnx",
        );
        check("a new reason", "a new reason", "onnx.checker");
    }

    #[test]
    fn a_file_that_is_not_a_graph_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.onnx");
        let check = |bytes: &[u8], problem: &str, fix: &str| {
            std::fs::write(&file, bytes).unwrap();
            let found = explained(&file, "Protobuf parsing failed.", true);
            assert!(found.problem.contains(problem), "{found:?}");
            assert!(found.fix.contains(fix), "{found:?}");
        };
        check(b"", "it is empty", "copy or download");
        check(b"<html>", "it is an HTML page", "raw content");
        check(
            b"\x08\x08\x3a\x09a",
            "ends after 5 bytes",
            "compare its size",
        );
        check(
            b"not a graph at all",
            "not an ONNX file",
            "exported as ONNX",
        );
    }
}
