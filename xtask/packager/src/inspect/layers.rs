//! Check of the layers of an image: whether they are unaltered and in order, and have the entries
//! that `package` writes.
//!
//! Owns these checks. Must not know what the files in a layer are for, nor the rest of an image.

use scorebox_workspace::failure::Failure;
use serde_json::Value;

use super::contents::Contents;
use super::form::{self, Division};
use super::report::{Report, Verdict};
use super::store::{Store, is_of_network};
use crate::image::manifest::{BaseLayer, BaseManifest};

/// Checks the layers of an image from the bottom up, in the order in which a container runtime
/// unpacks them, and adds the results to the report. Returns the contents of the layers. `names`
/// has the name that `package` gave each layer, or `None` for a layer that `package` did not write.
/// Fails only if the registry does not respond.
pub fn examine(
    store: &Store,
    report: &mut Report,
    manifest: &BaseManifest,
    config: &Value,
    names: &[Option<&'static str>],
) -> Result<Contents, Failure> {
    let diff_ids = config
        .pointer("/rootfs/diff_ids")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    // A layer that has no entry in the history has the name `None`, like a layer of the base.
    let named: Vec<_> = (0..manifest.layers.len())
        .map(|index| names.get(index).copied().flatten())
        .collect();
    let division = form::divide(&named);
    let mut contents = Contents::new(division.start);
    let mut forms = Vec::new();
    for (index, layer) in manifest.layers.iter().enumerate() {
        let own = named
            .get(index)
            .copied()
            .flatten()
            .filter(|_| (division.start..division.end).contains(&index));
        let name = own.map_or_else(|| format!("base-{}", index + 1), str::to_owned);
        let diff_id = diff_ids.get(index).and_then(Value::as_str);
        let (verdict, form) = layer_verdict(store, &mut contents, index, own, layer, diff_id)?;
        match own {
            Some(_) => contents.is_damaged |= verdict != Verdict::Good,
            None => contents.is_base_unknown |= verdict != Verdict::Good,
        }
        report.note(
            format!("layer {name}"),
            format!("{} bytes, {}", layer.size, layer.digest),
            verdict,
        );
        forms.extend(form.map(|problem| format!("{name}: {problem}")));
    }
    contents.finish();
    let count = manifest.layers.len();
    order(report, &contents, &division, count);
    report.check(
        "layers hold what `package` writes",
        forms.is_empty(),
        || forms.join("; "),
    );
    report.check(
        "configuration names every layer",
        diff_ids.len() == count && names.len() == count,
        || {
            format!(
                "it names {} and describes {}, but there are {count}",
                diff_ids.len(),
                names.len()
            )
        },
    );
    Ok(contents)
}

/// Reads one layer into the contents, and returns the verdict on its digests. `index` is the
/// position of the layer from the bottom up, `own` is the name that `package` gave the layer, and
/// `diff_id` is the digest of the layer's tar archive in the config. The second value says how a
/// layer that claims to be from `package` differs from the layers that `package` writes. It is
/// `None` if the layer does not differ, or if it could not be read or has a wrong digest. Fails
/// only if the registry does not respond.
fn layer_verdict(
    store: &Store,
    contents: &mut Contents,
    index: usize,
    own: Option<&'static str>,
    layer: &BaseLayer,
    diff_id: Option<&str>,
) -> Result<(Verdict, Option<String>), Failure> {
    let wrong = |problem: String| Ok((Verdict::Wrong(problem), None));
    if !layer.urls.is_empty() {
        return match own {
            Some(_) => wrong(
                "is to be fetched from another place, but `package` names no such place".to_owned(),
            ),
            None => Ok((
                Verdict::Open("it is not kept in a registry".to_owned()),
                None,
            )),
        };
    }
    let name = own.map_or_else(|| format!("base-{}", index + 1), str::to_owned);
    let path = match store.blob(&name, &layer.digest, layer.size) {
        Ok(Some(path)) => path,
        Ok(None) if own.is_none() => {
            return Ok((
                Verdict::Open("the layout does not hold it".to_owned()),
                None,
            ));
        }
        Ok(None) => return wrong("is missing".to_owned()),
        Err(failure) if is_of_network(&failure) => return Err(failure),
        Err(failure) => return wrong(failure.problem),
    };
    match contents.add(index, own, &path, layer) {
        Err(error) => wrong(format!("cannot be unpacked: {error}")),
        Ok(found) if diff_id == Some(&found.diff_id.to_string()) => {
            Ok((Verdict::Good, found.problem))
        }
        Ok(found) => wrong(format!(
            "its tar has the digest {}, and the configuration says another",
            found.diff_id
        )),
    }
}

/// Checks that the layers of `package` are on top, and that a container sees the files in these
/// layers. `count` is the number of layers of the image.
fn order(report: &mut Report, contents: &Contents, division: &Division, count: usize) {
    let mut problems = division.problems.clone();
    if division.end < count {
        let above: Vec<_> = (division.end..count)
            .map(|index| format!("base-{}", index + 1))
            .collect();
        problems.push(format!(
            "{} is above them and can replace every file",
            above.join(", ")
        ));
    }
    report.check(
        "layers of `package` are on top",
        problems.is_empty(),
        || problems.join(", "),
    );
    if division.start == 0 {
        if let Some((name, _)) = &report.base {
            let problem = format!(
                "the image says that it is on {name}, but no layer is below those of `package`"
            );
            report.note("base is named", "", Verdict::Wrong(problem));
        }
        return;
    }
    let what = "base leaves the app and the host alone";
    if contents.intrusions.is_empty() && contents.is_base_unknown {
        report.note(
            what,
            "",
            Verdict::Open("not every layer of the base is here".to_owned()),
        );
    } else {
        report.check(what, contents.intrusions.is_empty(), || {
            contents.intrusions.join(", ")
        });
    }
    // A manifest in Docker's format has no annotations, so it cannot name its base.
    let said = match &report.base {
        Some((name, _)) => format!("the image says that its base is {name}"),
        None => format!(
            "{} layers are below those of `package`, but no annotation names their image",
            division.start
        ),
    };
    report.needs_key("base is the one that is named", said);
}
