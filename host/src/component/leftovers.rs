//! Leftovers of a build in a component, which a container image does not need: debug information,
//! and names of folders of the machine that built the component.
//!
//! Owns how both are recognised, and the texts about them. Must not know how a component is read.

use std::path::Path;

use crate::text::{NAME_BYTES, Problem, displayed, printable, quoted};

/// Start of the names of the custom sections with debug information (DWARF).
const DEBUG_SECTION: &str = ".debug_";

/// Folders that hold the home folders of people. The folder `/root` is itself the home folder of
/// root, so only hidden folders in it count, such as `/root/.cargo`.
const HOMES: [&[u8]; 3] = [b"/home/", b"/Users/", b"/root/."];

/// Home folders of the machines of code hosts, on which toolchains are built. Their names are in
/// the standard libraries of some languages, so paths in them are not reported.
const PUBLIC_HOMES: [&[u8]; 2] = [b"/home/runner/", b"/Users/runner/"];

/// Maximum number of parts that are shown of a path. Four parts show whose folder it is.
const SHOWN_PARTS: usize = 4;

/// Leftovers of a build in a component: debug information, and the path of a folder on the machine
/// that built it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// Size of all debug information in the component, in bytes.
    debug_bytes: usize,
    /// Start of the first path in the component's data that is in the home folder of a person.
    path: Option<String>,
}

impl Leftovers {
    /// Counts a custom section of the component or of a module in it, if the section holds debug
    /// information.
    pub(super) fn take_section(&mut self, name: &str, bytes: usize) {
        if name.starts_with(DEBUG_SECTION) {
            self.debug_bytes = self.debug_bytes.saturating_add(bytes);
        }
    }

    /// Looks in a section with the data of a module for a path in the home folder of a person. Does
    /// nothing if such a path was found in an earlier section.
    pub(super) fn take_data(&mut self, data: &[u8]) {
        if self.path.is_none() {
            self.path = path_in(data);
        }
    }

    /// Logs a warning for each leftover. `file` is the file of the component.
    pub(super) fn warn(&self, file: &Path) {
        for Problem { problem, fix } in self.problems() {
            let file = displayed(&file.display(), NAME_BYTES);
            tracing::warn!(component = %printable(&file), fix, "the component {problem}");
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        if self.debug_bytes > 0 {
            found.push(Problem::new(
                format!(
                    "holds {} KiB of debug information, so it was probably not optimised, and names folders of the machine \
                     that built it",
                    self.debug_bytes.div_ceil(1024)
                ),
                "build it for release: `cargo build --release`, or `clang -O2` without `-g`; \
                 `wasm-tools strip --all` removes debug information",
            ));
        }
        if let Some(path) = &self.path {
            found.push(Problem::new(
                format!(
                    "names folders of the machine that built it, e.g. {}",
                    quoted(path, NAME_BYTES)
                ),
                "let `component = { cargo = \"FOLDER\" }` build it, or pass the folder to \
                 `rustc --remap-path-prefix=FOLDER=/src` or `clang -ffile-prefix-map=FOLDER=/src`",
            ));
        }
        found
    }
}

/// Returns the start of the first path in `data` that is in the home folder of a person.
fn path_in(data: &[u8]) -> Option<String> {
    let mut rest = data;
    loop {
        let slash = rest.iter().position(|byte| *byte == b'/')?;
        rest = rest.get(slash..)?;
        let is_home = HOMES.iter().any(|home| rest.starts_with(home))
            && !PUBLIC_HOMES.iter().any(|home| rest.starts_with(home));
        if let Some(path) = is_home.then(|| start_of(rest)).flatten() {
            return Some(path);
        }
        rest = rest.get(1..)?;
    }
}

/// Returns the first four parts of the path at the start of `text`. Returns `None` for a path with
/// fewer parts, because it may be a word in a text.
fn start_of(text: &[u8]) -> Option<String> {
    let is_part =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    let long = text.iter().take(NAME_BYTES).take_while(is_part);
    let long: String = long.map(|byte| char::from(*byte)).collect();
    let parts: Vec<&str> = long.split('/').take(SHOWN_PARTS + 1).collect();
    (parts.len() > SHOWN_PARTS).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_home_folder_is_found() {
        #[track_caller]
        fn check(data: &str, expected: Option<&str>) {
            assert_eq!(path_in(data.as_bytes()).as_deref(), expected, "{data}");
        }
        check(
            "a value/home/anna/.cargo/registry/src/index/serde/lib.rs",
            Some("/home/anna/.cargo/registry"),
        );
        check(
            "\0/root/.cargo/registry/src/x.rs",
            Some("/root/.cargo/registry/src"),
        );
        check(
            "/Users/ben/work/risk/src/lib.rs/rustc/1/library",
            Some("/Users/ben/work/risk"),
        );
        check("/home/runner/work/wasi-sdk/libc/x.c", None);
        check("/rustc/59807616/library/core/src/fmt/mod.rs", None);
        check("see https://example.com/home/page", None);
        check("the folder /home/anna", None);
        check("", None);
    }

    #[test]
    fn debug_information_is_counted() {
        let mut leftovers = Leftovers::default();
        leftovers.take_section("name", 100);
        leftovers.take_section("producers", 100);
        assert!(leftovers.problems().is_empty());
        leftovers.take_section(".debug_info", 1000);
        leftovers.take_section(".debug_str", 100);
        leftovers.take_data(b"/home/anna/work/risk/src/lib.rs");
        let problems = leftovers.problems();
        assert!(problems[0].problem.contains("2 KiB"), "{problems:?}");
        assert!(
            problems[1].problem.contains("/home/anna/work/risk"),
            "{problems:?}"
        );
        assert_eq!(problems.len(), 2);
    }
}
