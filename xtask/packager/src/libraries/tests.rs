//! Unit tests of the search for the libraries that programs need.

use super::*;
use crate::skipped::skip;

fn needs_of(libraries: &[(&str, &[&str])]) -> Needs {
    let set = |versions: &[&str]| {
        versions
            .iter()
            .map(|version| (*version).to_owned())
            .collect()
    };
    let libraries = libraries
        .iter()
        .map(|(name, versions)| ((*name).to_owned(), set(versions)))
        .collect();
    Needs {
        loader: "ld-linux-x86-64.so.2".to_owned(),
        loader_path: PathBuf::new(),
        libraries,
    }
}

#[test]
fn what_is_missing_is_named() {
    let mut found = Found::default();
    let needs = needs_of(&[("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.34"])]);
    assert!(
        found
            .meets(&needs)
            .unwrap_err()
            .to_string()
            .contains("lacks the loader ld-linux-x86-64.so.2")
    );
    found.files.insert("ld-2.31.so".into(), BTreeSet::new());
    found
        .links
        .insert("ld-linux-x86-64.so.2".into(), "ld-2.31.so".into());
    let lack = found.meets(&needs).unwrap_err().to_string();
    assert!(lack.contains("lacks libc.so.6"), "{lack}");
    found
        .links
        .insert("libc.so.6".into(), "libc-2.31.so".into());
    found
        .files
        .insert("libc-2.31.so".into(), ["GLIBC_2.2.5".to_owned()].into());
    assert_eq!(
        found.meets(&needs).unwrap_err().to_string(),
        "its libc.so.6 lacks GLIBC_2.34"
    );
    found.files.insert(
        "libc-2.31.so".into(),
        ["GLIBC_2.2.5".to_owned(), "GLIBC_2.34".to_owned()].into(),
    );
    assert_eq!(found.meets(&needs), Ok(()));
}

#[test]
fn versions_of_glibc_are_numbers() {
    assert_eq!(minor("GLIBC_2.34"), Some(34));
    assert_eq!(minor("GLIBC_2.2.5"), Some(2));
    assert_eq!(minor("GLIBC_ABI_DT_RELR"), Some(36));
    assert_eq!(minor("GLIBC_PRIVATE"), None);
    assert_eq!(minor("GCC_3.0"), None);
}

#[test]
fn paths_are_read_from_the_loader_s_list() {
    let text = "\tlinux-vdso.so.1 (0x00007ffe)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t\
                /lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
    assert_eq!(
        listed(text).collect::<Vec<_>>(),
        [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2"
        ]
    );
}

#[test]
fn static_program_needs_nothing_and_a_shell_its_c_library() {
    assert_eq!(needs(Path::new("/proc/self/exe")), Ok(None));
    assert!(needs(Path::new("/etc/passwd")).is_err());
    let Some(needs) = needs(Path::new("/bin/sh")).unwrap() else {
        return skip("/bin/sh is linked statically here, so it needs no library");
    };
    let (name, versions) = needs.libraries.iter().next().unwrap();
    assert!(
        name.starts_with("libc.") && needs.loader.starts_with("ld-"),
        "{needs:?} {versions:?}"
    );
    let bundled = bundle(&needs, &[Path::new("/bin/sh")]).unwrap();
    assert!(
        bundled.contains_key(&needs.loader_path.display().to_string()),
        "{bundled:?}"
    );
    assert!(
        bundled
            .iter()
            .any(|(path, file)| path.contains("/libc.") && file.is_file()),
        "{bundled:?}"
    );
}
