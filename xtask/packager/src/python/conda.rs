//! Environment files of conda and Azure ML, as far as they name packages.
//!
//! Owns the part of YAML that such files use: a list `dependencies` with a list `pip` in it, and
//! the key `conda_file`. Every other form is refused, because it could mean something else. Must
//! not know what a package is for.

use std::path::Path;

use scorebox_host::text::{NAME_BYTES, quoted};
use scorebox_workspace::failure::Failure;
use scorebox_workspace::workspace::shown;

use super::secret::redacted;

/// Packages of conda that are ignored, because the sandbox does not need them: the interpreter, and
/// tools that install packages.
const NOT_PACKAGES: [&str; 4] = ["python", "pip", "setuptools", "wheel"];

/// Packages that an environment file of conda or Azure ML names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// Packages that the environment file names, each with the number of its line, and in the form
    /// of a line of a `requirements.txt`.
    pub packages: Vec<(usize, String)>,
    /// Name of another environment file, which has the packages. An environment file of Azure ML
    /// may name such a file instead of packages.
    pub conda_file: Option<String>,
}

/// Reads an environment file. `text` is the content of the file `file`. Fails if the file has no
/// block list `dependencies` and names no other file, or has an entry that is not the name of a
/// package.
pub fn read(file: &Path, text: &str) -> Result<Environment, Failure> {
    let refused = |number: usize, what: &str| {
        Err(Failure::project(
            format!("{}:{number}: {what}", shown(file)),
            "write `dependencies:` as a list with one package on each line, as `conda env export \
             --from-history` does",
        ))
    };
    let mut found = Environment::default();
    // Indentation of the key `dependencies` while its list is read.
    let mut list = None;
    let mut was_in = false;
    // Indentation of the entry `pip:`, whose own entries are deeper.
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
            if list.is_some_and(|outer| indent > outer) {
                return refused(number, "is not an entry of the list `dependencies`");
            }
            list = (entry == "dependencies:").then_some(indent);
            pip = None;
            was_in |= list.is_some();
            if list.is_none() && entry.starts_with("dependencies:") {
                return refused(
                    number,
                    "`dependencies` is not a list with one entry on each line",
                );
            }
            let other = entry
                .strip_prefix("conda_file:")
                .map(|name| plain(name.trim()));
            found.conda_file = other
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .or(found.conda_file);
            continue;
        };
        if list.is_none() {
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
        let name = plain(item);
        let is_mapping = name.ends_with(':') || pip.is_none() && name.contains(": ");
        if name.is_empty()
            || is_mapping
            || name == item && item.starts_with(['{', '[', '&', '*', '|', '>', '!', '%', '@', '`'])
        {
            let item = quoted(&redacted(item), NAME_BYTES);
            return refused(number, &format!("`{item}` is not the name of a package"));
        }
        match pip {
            Some(_) => found.packages.push((number, name.to_owned())),
            None => {
                let requirement = as_requirement(name).map(|name| (number, name));
                found.packages.extend(requirement);
            }
        }
    }
    match was_in || found.conda_file.is_some() {
        true => Ok(found),
        false => refused(1, "the file has no list `dependencies`"),
    }
}

/// Returns a text of YAML without the quotation marks around it.
fn plain(text: &str) -> &str {
    let quotes = ['"', '\''].into_iter();
    let mut inside = quotes.filter_map(|mark| text.strip_prefix(mark)?.strip_suffix(mark));
    inside.next().unwrap_or(text)
}

/// Returns a package of conda, such as `conda-forge::numpy=1.26=py312_0`, as a requirement of pip.
/// Returns `None` for the interpreter and for tools that install packages.
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

/// Returns a line of an environment file without its comment, which begins with `#` at the start or
/// after a space.
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

    fn found(text: &str) -> Result<Vec<String>, String> {
        let found = read(Path::new("conda.yml"), text).map_err(|failure| failure.problem)?;
        Ok(found.packages.into_iter().map(|(_, item)| item).collect())
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
        assert_eq!(found(flat).unwrap(), ["redis>=5", "joblib"]);
        let deep =
            "---\ndependencies:\n    - pandas=2\n    - pip:\n        - 'redis'\n        - pytz\n";
        assert_eq!(found(deep).unwrap(), ["pandas==2.*", "redis", "pytz"]);
        let inside = "name: x\nconda_file:\n  channels: [y]\n  dependencies:\n    - numpy\n    - pip:\n      - 'pytz; \
                      python_version < \"4\"'\n  name: z\nimage: w\n";
        assert_eq!(
            found(inside).unwrap(),
            ["numpy", "pytz; python_version < \"4\""]
        );
    }

    #[test]
    fn another_file_is_named() {
        let read = |text: &str| read(Path::new("environment.yml"), text).unwrap().conda_file;
        let named = read("name: x\nconda_file: \"./conda.yml\" # packages\n");
        assert_eq!(named.as_deref(), Some("./conda.yml"));
        assert_eq!(read("dependencies:\n- numpy\n"), None);
    }

    #[test]
    fn other_forms_are_refused_with_their_line() {
        let check = |text: &str, part: &str| {
            let problem = found(text).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        };
        check("name: x\n", "conda.yml:1: the file has no list");
        check("dependencies: [numpy]\n", "is not a list");
        check("dependencies: &a\n- numpy\n", "is not a list");
        check(
            "dependencies:\n  numpy: 1\n",
            "conda.yml:2: is not an entry",
        );
        for item in [
            "{pip: [redis]}",
            "pip: [redis]",
            "*packages",
            "&a redis",
            "!!python/object/apply:os.system [\"x\"]",
            "|",
            "\"\"",
        ] {
            let text = format!("dependencies:\n  - {item}\n");
            check(&text, &format!("conda.yml:2: `{item}`"));
        }
        check(
            "dependencies:\n- pip:\n  - https://me:hush@h.example/x.whl:\n",
            "`https://****@h.example/x.whl:`",
        );
    }
}
