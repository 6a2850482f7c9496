//! Paths of the programs, components and files of the tests.
//!
//! Owns the variables by which `cargo xtask test` passes them, and the defaults without it. Must
//! not know their use.

use std::path::{Path, PathBuf};

use crate::programs::Program;

/// Returns the path of the host program.
#[must_use]
pub fn host() -> PathBuf {
    existing("SCOREBOX_HOST_PROGRAM", || beside_tests("scorebox-host"))
}

/// Returns the path of the host program for images.
#[must_use]
pub fn image_host() -> PathBuf {
    existing("SCOREBOX_IMAGE_HOST_PROGRAM", || {
        workspace().join("target/hosts/image/scorebox")
    })
}

/// Returns the path of the host program for images with a graph.
#[must_use]
pub fn image_host_with_graphs() -> PathBuf {
    existing("SCOREBOX_GRAPHS_HOST_PROGRAM", || {
        workspace().join("target/hosts/image-with-graphs/scorebox")
    })
}

/// Returns the path of the host program for images with a script.
#[must_use]
pub fn image_host_with_scripts() -> PathBuf {
    existing("SCOREBOX_PYTHON_HOST_PROGRAM", || {
        workspace().join("target/hosts/image-with-python/scorebox")
    })
}

/// Returns the path of the library that runs graphs.
#[must_use]
pub fn engine_library() -> PathBuf {
    existing("SCOREBOX_ENGINE_LIBRARY", || {
        workspace()
            .join("target/engine")
            .join(scorebox_host::graph::LIBRARY)
    })
}

/// Returns the path of the program behind `cargo xtask package` and the other commands about
/// scorers and images.
#[must_use]
pub fn xtask() -> PathBuf {
    existing("SCOREBOX_XTASK", || beside_tests("scorebox"))
}

/// Returns the path of the program behind `cargo xtask bench` and `cargo xtask soak`.
#[must_use]
pub fn trials() -> PathBuf {
    existing("SCOREBOX_TRIALS", || beside_tests("scorebox-trials"))
}

/// Returns the path of the program behind `cargo xtask` itself, which checks and tests the
/// repository, and builds the programs of all other commands.
#[must_use]
pub fn chores() -> PathBuf {
    existing("SCOREBOX_CHORES", || beside_tests("xtask"))
}

/// Returns the path of the component of a test program.
#[must_use]
pub fn program(program: Program) -> PathBuf {
    let folder = existing("SCOREBOX_PROGRAMS", || {
        workspace().join("target/wasm32-wasip2/release/examples")
    });
    let file = folder.join(format!("{}.wasm", program.name()));
    assert!(
        file.is_file(),
        "{} is missing: run `cargo xtask test`",
        file.display()
    );
    file
}

/// Returns the path of the built app folder of the example `name`.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let folder = existing("SCOREBOX_APPS", || workspace().join("target/apps")).join(name);
    assert!(
        folder.is_dir(),
        "{} is missing: run `cargo xtask test`",
        folder.display()
    );
    folder
}

/// Returns the root folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    existing("SCOREBOX_WORKSPACE", || {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    })
}

/// Returns the path of the folder in which hosts keep the machine code of components, so that a
/// component is compiled once for all tests.
#[must_use]
pub fn compiled() -> PathBuf {
    workspace().join("target/compiled")
}

/// Finds a program in `PATH`, as a shell would, and in the folders for the administrator's
/// programs.
#[must_use]
pub fn tool(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn existing(variable: &str, default: impl FnOnce() -> PathBuf) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(default, PathBuf::from);
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask test`, which sets {variable}",
        path.display()
    );
    path
}

/// Returns the path of the program `name` in the target folder: the running test is
/// `target/…/release/deps/<test>`, and the program is `target/…/release/<name>`.
fn beside_tests(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    test.ancestors()
        .nth(2)
        .expect("a test lies in target/…/deps")
        .join(name)
}
