//! Parts of an image that only a script needs, and the requirement that samples prove its answers.
//!
//! Owns the choice of the engine pack, and which samples a script must have. Must not know where
//! the parts are in an image.

use scorebox_host::manifest::Manifest;
use scorebox_host::sample::Sample;
use scorebox_python::EMPTY_FOLDER;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;

use crate::image::{Content, PackLayer};
use crate::manifest_file;
use crate::python::engine::Engine;

/// Fails unless the manifest of a script names samples with native answers, so that the check of
/// the app compares the sandbox with the author's own environment. Scorers without a script need no
/// such samples. If `is_waived` is true, a warning is printed instead, because the user packages
/// the script without a proof.
pub(super) fn check_proof(manifest: &Manifest, is_waived: bool) -> Result<(), Failure> {
    if manifest.scorer.script.is_none() {
        return Ok(());
    }
    if is_waived {
        eprintln!("warning: this script is packaged without a proof that it answers as natively");
        return Ok(());
    }
    let problem = match &manifest.package.sample {
        None => "`package.sample` names no sample of the script",
        Some(sample) => {
            let sample = Sample::read(sample).map_err(manifest_file::failure)?;
            if sample.has_answers() {
                return Ok(());
            }
            "a sample of `package.sample` has no `outputs`"
        }
    };
    Err(Failure::project(
        format!(
            "{}: {problem}, so nothing proves that the script answers in the sandbox as it does \
             natively: NumPy's default integer has 32 bits there",
            manifest.path.display()
        ),
        format!(
            "record native answers with `{} sample --python ENV --input request.json`, and write `sample = \
             \"sample.json\"` under [package]; or package with --without-proof",
            installation::program()
        ),
    ))
}

/// Returns the layer of an engine pack.
pub(super) fn layer(engine: &Engine) -> PackLayer {
    let files = engine.files().into_iter();
    PackLayer {
        files: files
            .map(|(name, path)| (name, Content::File(path)))
            .collect(),
        empty_folders: vec![EMPTY_FOLDER.to_owned()],
        digest: engine.digest.clone(),
        name: format!("CPython {}", engine.record.python),
        kept: Some(installation::cache().join("layers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_needs_samples_with_answers() {
        let dir = tempfile::tempdir().unwrap();
        let check = |scorer: &str, sample: Option<&str>, is_waived, part: Option<&str>| {
            let named = sample.map(|text| {
                std::fs::write(dir.path().join("sample.json"), text).unwrap();
                "[package]\nsample = \"sample.json\"\n"
            });
            let text = format!(
                "[scorer]\nname = \"x\"\n{scorer}\n{}",
                named.unwrap_or_default()
            );
            let manifest = Manifest::parse(&dir.path().join("scorebox.toml"), &text).unwrap();
            match (check_proof(&manifest, is_waived), part) {
                (Ok(()), None) => {}
                (Err(failure), Some(part)) => {
                    assert!(failure.problem.contains(part), "{failure}");
                }
                other => panic!("{other:?}"),
            }
        };
        let script = "script = \"score.py\"";
        check("component = \"x.wasm\"", None, false, None);
        check(script, None, true, None);
        check(script, None, false, Some("names no sample"));
        check(
            script,
            Some("{\"inputs\": 1}"),
            false,
            Some("has no `outputs`"),
        );
        check(script, Some("{\"inputs\": 1, \"outputs\": 2}"), false, None);
    }
}
