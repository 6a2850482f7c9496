//! Tests of app folders.

use super::*;

#[test]
fn manifest_is_resolved_and_stays_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(MANIFEST_FILE);
    let text = "[package]\nregistry = \"r.example\"\n[scorer]\nname = \"x\"\ncomponent = { cargo = \".\" }\nmodel = \"m/\"\n\
                [[trigger]]\nkind = \"http\"\nroute = \"a\"\n[[trigger]]\nkind = \"http\"\nroute = \"b\"\n";
    std::fs::write(&path, text).unwrap();
    let manifest = Manifest::read(&path).unwrap();
    let resolved = written(&resolved(&manifest).unwrap()).unwrap();
    assert!(!resolved.contains("r.example"), "{resolved}");
    let again = Manifest::parse(Path::new("app/scorebox.toml"), &resolved).unwrap();
    assert_eq!(again.triggers, manifest.triggers);
    assert_eq!(again.scorer.model.as_deref(), Some(Path::new("app/model")));
}
