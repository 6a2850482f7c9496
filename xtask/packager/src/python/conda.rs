//! Environment files of conda and Azure ML, as far as they name packages.
//!
//! Owns the part of YAML that such files use: a list `dependencies`, with a list `pip` in it. Must
//! not know what a package is for.

use std::path::Path;

use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

/// Packages of conda that have no file in Python: the interpreter, and tools that install packages.
const NOT_PACKAGES: [&str; 4] = ["python", "pip", "setuptools", "wheel"];

/// Returns the packages of an environment file with the numbers of their lines. Each package is in
/// the form of a `requirements.txt`. `text` is the content of the file `file`. Fails if the file has
/// no block list `dependencies`, or has an entry that is not the name of a package.
pub fn packages(file: &Path, text: &str) -> Result<Vec<(usize, String)>, Failure> {
    let fix =
        "write `dependencies:` as a list with one package on each line, as `conda env export` does";
    let refused = |number: usize, what: &str| {
        Err(Failure::project(
            format!("{}:{number}: {what}", shown(file)),
            fix,
        ))
    };
    let mut found = Vec::new();
    let mut is_in = false;
    let mut was_in = false;
    // Indentation of the entries of `pip:`, which are deeper than the entry `pip:` itself.
    let mut pip = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = without_comment(line);
        let entry = line.trim_start();
        if entry.is_empty() || entry == "---" {
            continue;
        }
        let indent = line.len() - entry.len();
        let Some(item) = entry.strip_prefix('-').filter(|rest| rest.starts_with(' ')) else {
            if indent > 0 && is_in {
                return refused(number, "is not an entry of the list `dependencies`");
            }
            is_in = entry == "dependencies:";
            was_in |= is_in;
            if !is_in && entry.starts_with("dependencies:") {
                return refused(
                    number,
                    "`dependencies` is not a list with one entry on each line",
                );
            }
            continue;
        };
        if !is_in {
            continue;
        }
        if pip.is_some_and(|outer| indent <= outer) {
            pip = None;
        }
        let item = item.trim();
        if pip.is_none() && item == "pip:" {
            pip = Some(indent);
            continue;
        }
        let item = item.trim_matches(['"', '\'']);
        if item.is_empty()
            || item.starts_with(['{', '[', '&', '*', '|', '>'])
            || item.ends_with(':')
        {
            let item = quoted(item, NAME_BYTES);
            return refused(number, &format!("`{item}` is not the name of a package"));
        }
        match pip {
            Some(_) => found.push((number, item.to_owned())),
            None => found.extend(as_requirement(item).map(|item| (number, item))),
        }
    }
    match was_in {
        true => Ok(found),
        false => refused(1, "the file has no list `dependencies`"),
    }
}

/// Returns a package of conda, such as `conda-forge::numpy=1.26=py312_0`, as a requirement of pip.
/// Returns `None` for a package without Python code.
fn as_requirement(item: &str) -> Option<String> {
    let item = item.rsplit("::").next().unwrap_or(item);
    let end = item
        .find(['=', '<', '>', '!', '~', ' '])
        .unwrap_or(item.len());
    let (name, version) = item.split_at(end);
    if NOT_PACKAGES.contains(&name) {
        return None;
    }
    let version = version.trim();
    let exact = version
        .strip_prefix('=')
        .filter(|rest| !rest.starts_with('='));
    Some(match exact {
        // A single `=` accepts every version that begins so. After a second one is the build.
        Some(exact) => match exact.split_once('=') {
            Some((exact, _build)) => format!("{name}=={exact}"),
            None => format!("{name}=={}.*", exact.trim_end_matches(".*")),
        },
        None => format!("{name}{version}"),
    })
}

/// Returns a line without its comment, which begins with `#` at the start or after a space.
fn without_comment(line: &str) -> &str {
    let end = match line.find(" #") {
        Some(at) => at,
        None if line.starts_with('#') => 0,
        None => line.len(),
    };
    line.get(..end).unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let found = packages(Path::new("conda.yml"), text).map_err(|failure| failure.problem)?;
        Ok(found.into_iter().map(|(_, item)| item).collect())
    }

    #[test]
    fn packages_of_conda_become_requirements() {
        let check = |item: &str, expected: Option<&str>| {
            assert_eq!(as_requirement(item).as_deref(), expected, "{item}");
        };
        check("numpy", Some("numpy"));
        check("numpy=1.26", Some("numpy==1.26.*"));
        check("numpy=1.26.*", Some("numpy==1.26.*"));
        check("conda-forge::numpy=1.26.4=py312h1_0", Some("numpy==1.26.4"));
        check("numpy==1.26.4", Some("numpy==1.26.4"));
        check("numpy >=1.20,<2", Some("numpy>=1.20,<2"));
        check("python=3.8.5", None);
        check("pip", None);
    }

    #[test]
    fn lists_of_any_indentation_are_read() {
        let flat = "channels:\n- defaults\ndependencies:\n- pip=22 # a tool\n- pip:\n  - \"redis>=5\"\n- joblib\nprefix: /x\n";
        assert_eq!(read(flat).unwrap(), ["redis>=5", "joblib"]);
        let deep =
            "---\ndependencies:\n    - pandas=2\n    - pip:\n        - 'redis'\n        - pytz\n";
        assert_eq!(read(deep).unwrap(), ["pandas==2.*", "redis", "pytz"]);
    }

    #[test]
    fn other_forms_are_refused_with_their_line() {
        let check = |text: &str, part: &str| {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        };
        check("name: x\n", "conda.yml:1: the file has no list");
        check("dependencies: [numpy]\n", "is not a list");
        check(
            "dependencies:\n  - {pip: [redis]}\n",
            "conda.yml:2: `{pip: [redis]}`",
        );
        check(
            "dependencies:\n  numpy: 1\n",
            "conda.yml:2: is not an entry",
        );
    }
}
