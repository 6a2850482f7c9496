//! Judgement of a component by its outline, i.e. its imports and exports: all reasons at once why
//! it cannot be the scorer of an app.
//!
//! Owns the order of the reasons, and the form in which several are printed. Must not know where an
//! outline comes from, or instances.

use super::imports::{self, Granted};
use super::retired::retired_exports;
use super::world::{Target, world_of};
use crate::component::Outline;
use crate::manifest::Manifest;
use crate::text::Problem;

/// Returns the world that a component exports, with the version of the contract. `has_graph` is
/// true if the model of the app has a graph.
///
/// # Errors
/// Fails if this host cannot run the component as the scorer of the app. The problem has all
/// reasons, each with its fix.
pub(crate) fn judge(
    outline: &Outline,
    manifest: &Manifest,
    has_graph: bool,
) -> Result<Target, Problem> {
    let target = world_of(outline);
    let mut problems = Vec::new();
    if let Err(problem) = &target {
        problems.push(problem.clone());
    }
    problems.extend(retired_exports(outline));
    if outline.is_async {
        problems.push(Problem::new(
            "needs the async functions of the component model, which this host does not have",
            "build it without async (componentize-qjs: `--sync`; wit-bindgen: leave out `async`)",
        ));
    }
    problems.extend(imports::problems(
        &outline.imports,
        Granted::by(manifest, has_graph),
    ));
    match joined(problems) {
        Some(problem) => Err(problem),
        None => target,
    }
}

/// Joins several problems into one. Their texts and their fixes are numbered, so that the reader
/// sees which fix belongs to which problem. A single problem is returned unchanged. Returns `None`
/// if there is no problem.
fn joined(mut problems: Vec<Problem>) -> Option<Problem> {
    if problems.len() < 2 {
        return problems.pop();
    }
    let mut all = Problem::new(
        format!("does not fit for {} reasons:", problems.len()),
        String::from("for each reason:"),
    );
    for (index, Problem { problem, fix }) in problems.iter().enumerate() {
        let number = index + 1;
        all.problem.push_str(&format!("\n{number}. {problem}"));
        all.fix.push_str(&format!("\n{number}. {fix}"));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::component::Import;

    fn judged(exports: &[&str], imports: &[&str], is_async: bool) -> Result<Target, Problem> {
        let text = "[scorer]\nname = \"x\"\ncomponent = \"x.wasm\"\n";
        let manifest = Manifest::parse(Path::new("scorebox.toml"), text).unwrap();
        let import = |name: &&str| Import {
            name: (*name).to_owned(),
            is_provided: true,
            functions: Vec::new(),
        };
        let outline = Outline {
            imports: imports.iter().map(import).collect(),
            exports: exports.iter().map(|name| (*name).to_owned()).collect(),
            is_async,
            is_interpreter: false,
        };
        judge(&outline, &manifest, false)
    }

    #[test]
    fn a_single_reason_is_not_numbered() {
        let scorer = ["scorebox:scoring/scorer@0.2.0"];
        assert!(judged(&scorer, &["wasi:cli/exit@0.2.3"], false).is_ok());
        let Problem { problem, fix } = judged(&scorer, &[], true).unwrap_err();
        assert!(problem.contains("async"), "{problem}");
        assert!(fix.contains("`--sync`"), "{fix}");
        assert!(!problem.contains('\n') && !fix.contains('\n'));
    }

    #[test]
    fn several_reasons_are_numbered_with_their_fixes() {
        let imports = ["wasi:http/types@0.2.3", "scorebox:scoring/cache@0.2.0"];
        let Problem { problem, fix } = judged(&["run"], &imports, true).unwrap_err();
        let lines: Vec<&str> = problem.lines().collect();
        assert_eq!(lines[0], "does not fit for 4 reasons:");
        assert!(lines[1].starts_with("1. exports no scorer"), "{problem}");
        assert!(lines[2].starts_with("2. needs the async"), "{problem}");
        assert!(lines[3].starts_with("3. imports wasi:http"), "{problem}");
        assert!(lines[4].contains("grants no store"), "{problem}");
        let fixes: Vec<&str> = fix.lines().collect();
        assert_eq!(fixes.len(), 5, "{fix}");
        assert!(fixes[4].starts_with("4. add `[stores.default]`"), "{fix}");
    }
}
