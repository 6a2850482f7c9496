//! Names of variables that become settings, secrets and parameters of an app.
//!
//! Owns the names that collide.

use super::{Rig, bicep};

#[test]
fn a_variable_of_the_script_or_the_shell_is_no_setting() {
    let rig = Rig::new();
    let names = [
        "PATH",
        "IFS",
        "BASH_ENV",
        "LD_PRELOAD",
        "deploy_app",
        "BLOBS_KEY",
        "SCOREBOX_REGISTRY_PASSWORD",
    ];
    for name in names
        .into_iter()
        .chain(["EVENT_STORAGE_ID", "FUNCTIONS_WORKER_RUNTIME"])
    {
        let said = rig
            .deploy(
                &rig.manifest("VARIABLE", name),
                "premium",
                "identity",
                "",
                "",
            )
            .ended(3);
        said.said(&[&format!("`{name}`"), "another name", "fix: "]);
    }
}

#[test]
fn no_two_settings_share_a_secret_or_a_parameter() {
    let rig = Rig::new();
    // These names share their first 20 characters or their letters with another setting, or equal a
    // parameter's name.
    for name in [
        "SCORING_REDIS_URL_2",
        "ScoringRedisUrl",
        "NAME",
        "Image",
        "STORAGE",
        "storage",
    ] {
        for target in ["premium", "container-apps"] {
            let manifest = rig.manifest("VARIABLE", name);
            let text = std::fs::read_to_string(&manifest).expect("it is there");
            let text = format!(
                "{text}[stores.other]\nurl = \"env:SCORING_REDIS_URL_OTHER\"\n[stores.third]\n\
                                url = \"env:SCORING_REDIS_URL_THIRD\"\n"
            );
            std::fs::write(&manifest, text).expect("a file");
            rig.deploy(&manifest, target, "identity", "", "").ended(0);
            let bicep =
                std::fs::read_to_string(rig.dir.path().join("app.bicep")).expect("it was written");
            let declared =
                bicep::read(&bicep).unwrap_or_else(|problem| panic!("{name}: {problem}\n{bicep}"));
            assert!(declared.len() >= 8, "{declared:?}");
            if target == "container-apps" {
                let kept = bicep
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix("secretRef: "));
                let mut kept: Vec<_> = kept.collect();
                let count = kept.len();
                kept.sort_unstable();
                kept.dedup();
                assert_eq!((kept.len(), count), (count, 6), "{bicep}");
            }
        }
    }
}
