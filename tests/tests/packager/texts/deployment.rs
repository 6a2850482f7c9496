//! Scripts and Bicep files that `cargo xtask deploy` writes.
//!
//! Owns the list of targets and options. Must not know Azure.

use scorebox_tests::run;
use scorebox_tests::snapshot::Snapshots;

use crate::deploy::{TRIGGERS, deploy, project};
use crate::deploy_plain::{PLAIN, TARGETS};

#[test]
fn the_scripts_and_bicep_files_of_every_target() {
    let project = project(TRIGGERS);
    let folder = project.path().display().to_string();
    let mut snapshots = Snapshots::of("packager/deployment").replace(&folder, "[PROJECT]");
    let file = project.path().join("app.bicep");
    for target in ["premium", "dedicated", "container-apps"] {
        for (name, options) in [
            ("", &[][..]),
            ("-pull-credentials", &["--pull", "credentials"]),
            ("-identity", &["--connections", "identity"]),
        ] {
            let name = format!("{target}{name}");
            let mut command = deploy(project.path(), target, options);
            let printed = run::finish(command.arg("--bicep").arg(&file), b"").ended(0);
            let bicep = std::fs::read_to_string(&file).expect("it was written");
            snapshots.check(&format!("{name}.sh"), &printed.stdout);
            snapshots.check(&format!("{name}.bicep"), &bicep);
            if name == "premium" {
                snapshots.check(&format!("{name}.stderr"), &printed.stderr);
            }
        }
    }
    snapshots.finish();
}

#[test]
fn the_scripts_and_bicep_files_without_the_functions_host() {
    let project = project(PLAIN);
    let folder = project.path().display().to_string();
    let mut snapshots = Snapshots::of("packager/deployment-plain").replace(&folder, "[PROJECT]");
    let file = project.path().join("app.bicep");
    for target in TARGETS {
        for (name, options) in [
            ("", &[][..]),
            ("-pull-credentials", &["--pull", "credentials"]),
            ("-guarded-by-platform", &["--guarded-by", "platform"]),
        ] {
            let name = format!("{target}{name}");
            let mut command = deploy(project.path(), target, options);
            let printed = run::finish(command.arg("--bicep").arg(&file), b"").ended(0);
            let bicep = std::fs::read_to_string(&file).expect("it was written");
            snapshots.check(&format!("{name}.sh"), &printed.stdout);
            snapshots.check(&format!("{name}.bicep"), &bicep);
        }
    }
    snapshots.finish();
}
