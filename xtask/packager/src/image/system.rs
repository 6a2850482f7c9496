//! The lowest layer of an image without a base: the files that a statically linked program needs in
//! an otherwise empty root folder.
//!
//! Owns users, host names, root certificates and folders. Must not know the scorer.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::layer_plan::{Compression, Content, Entry, LayerPlan, add_folders_above};
use super::paths::APP_ROOT;

const PASSWD: &str =
    "root:x:0:0:root:/root:/sbin/nologin\nscorebox:x:65532:65532:scorebox:/home:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nscorebox:x:65532:\n";
// Container engines write their own `/etc/hosts`. Without `/etc/hosts` and `/etc/nsswitch.conf`, a
// static program cannot resolve `localhost`.
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
// For host names, files come before DNS. A static glibc uses no other name services than these two.
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Returns the plan of the layer `system`: the files that a statically linked program needs in an
/// image without a base. The layer does not depend on the scorer.
pub fn layer(compression: Compression) -> LayerPlan {
    let files = [
        ("etc/group", GROUP.to_owned()),
        ("etc/hosts", HOSTS.to_owned()),
        ("etc/nsswitch.conf", NSSWITCH.to_owned()),
        ("etc/passwd", PASSWD.to_owned()),
        ("etc/ssl/certs/ca-certificates.crt", certificates()),
    ];
    let mut entries = BTreeMap::new();
    for (path, text) in files {
        add_folders_above(&mut entries, path, 0o755);
        entries.insert(
            path.to_owned(),
            Entry::File {
                mode: 0o644,
                content: Content::Bytes(text.into_bytes()),
            },
        );
    }
    add_folders_above(
        &mut entries,
        &format!("{}/", APP_ROOT.trim_start_matches('/')),
        0o755,
    );
    entries.insert("tmp".to_owned(), Entry::Folder { mode: 0o1777 });
    LayerPlan {
        name: "system",
        comment: "users, root certificates of Mozilla, /tmp".to_owned(),
        compression,
        kept: None,
        entries,
    }
}

/// Returns Mozilla's root certificates as one PEM file, ordered by their bytes.
fn certificates() -> String {
    let mut roots: Vec<&[u8]> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(AsRef::as_ref)
        .collect();
    roots.sort_unstable();
    roots.into_iter().map(pem).collect()
}

fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    // 48 bytes are encoded to the 64 characters of a PEM line.
    for line in der.chunks(48) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_pem() {
        let text = certificates();
        assert!(text.matches("BEGIN CERTIFICATE").count() > 100);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(pem(&[0; 49]).lines().nth(2), Some("AA=="));
    }

    #[test]
    fn folders_stand_before_what_they_hold() {
        let entries = layer(Compression::Gzip).entries;
        let paths: Vec<_> = entries.keys().map(String::as_str).collect();
        assert!(paths.is_sorted());
        assert!(
            ["etc", "etc/ssl/certs", "home/site/wwwroot", "tmp"]
                .iter()
                .all(|path| paths.contains(path))
        );
        assert_eq!(entries["tmp"], Entry::Folder { mode: 0o1777 });
    }
}
