//! `cargo xtask inspect` on images whose base writes to the paths of the app or the host, or cannot
//! be read.
//!
//! Owns the alterations of a base. Must not know how they are found.

use std::process::Command;

use scorebox_tests::forgery::{Forgery, Member, digest, gzip, members, tar};
use scorebox_tests::packaging::{package, packaged, project};
use scorebox_tests::registry::Registry;
use scorebox_tests::verdict::Outcome::{NeedsKey, Wrong};
use scorebox_tests::verdict::judge;
use scorebox_tests::{place, require, run, stand_in};
use serde_json::{Value, json};

const BASE: &str = "base leaves the app and the host alone";
const MODEL: &str = "home/site/wwwroot/model/";
const EVIL: &[u8] = b"other machine code";

/// Turns the lowest layer into a base's layer and adds these layers to the base.
fn base(image: &mut Forgery, layers: &[&[Member]]) {
    image.on_base();
    for (number, members) in layers.iter().enumerate() {
        image.insert(number + 1, members);
    }
}

#[test]
fn what_a_base_puts_in_the_places_of_ours_is_named() {
    require!("openssl");
    judge(&[
        (
            "a base",
            |image| {
                base(
                    image,
                    &[&[
                        Member::file("bin/tool", b"x"),
                        Member::link("bin/other", b'1', "bin/tool"),
                    ]],
                )
            },
            NeedsKey("base is the one that is named"),
        ),
        (
            "one more file of the model",
            |image| base(image, &[&[Member::file(&format!("{MODEL}evil"), EVIL)]]),
            Wrong(BASE, "model/evil"),
        ),
        (
            "by a path that is cleaned",
            |image| {
                base(
                    image,
                    &[&[Member::file("/x/..//home/./site/wwwroot/evil", EVIL)]],
                )
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "through a link of a lower layer",
            |image| {
                base(
                    image,
                    &[
                        &[Member::link("l", b'2', "home/site")],
                        &[Member::file("l/wwwroot/evil", EVIL)],
                    ],
                )
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "through a link out of the root",
            |image| {
                base(
                    image,
                    &[
                        &[Member::link("l", b'2', "../../home/site/wwwroot")],
                        &[Member::file("l/evil", EVIL)],
                    ],
                )
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "by a hard link",
            |image| {
                base(
                    image,
                    &[&[
                        Member::file("x", EVIL),
                        Member::link("home/site/wwwroot/evil", b'1', "/x"),
                    ]],
                )
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "by a PAX header",
            |image| {
                base(
                    image,
                    &[&[
                        Member::records(&[("path", "home/site/wwwroot/evil")]),
                        Member::file("x", EVIL),
                    ]],
                )
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "by a long name of GNU",
            |image| {
                base(
                    image,
                    &[&[
                        Member::new("././@LongLink", b'L', b"home/site/wwwroot/evil"),
                        Member::file("x", EVIL),
                    ]],
                )
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "behind a size in a PAX header",
            |image| {
                // A reader that believes the header takes the second member for content.
                let hidden = tar(&[Member::file("home/site/wwwroot/evil", EVIL)]);
                let records = Member::records(&[("size", "0")]);
                let outer = Member::file("x", &hidden[..1024]);
                base(image, &[&[records, outer]]);
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "behind the size of a folder",
            |image| {
                let folder = Member::new("d/", b'5', b"").with(|header| header.set_size(1024));
                base(
                    image,
                    &[&[folder, Member::file("home/site/wwwroot/evil", EVIL)]],
                );
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "a link in the app folder",
            |image| {
                base(
                    image,
                    &[&[Member::link("home/site/wwwroot/evil", b'2', "/x")]],
                )
            },
            Wrong(BASE, "wwwroot/evil"),
        ),
        (
            "an engine",
            |image| {
                base(
                    image,
                    &[&[Member::file("usr/lib/scorebox/libonnxruntime.so", EVIL)]],
                )
            },
            Wrong(BASE, "libonnxruntime.so"),
        ),
        (
            "an engine beside the host",
            |image| {
                base(
                    image,
                    &[&[Member::file("usr/bin/engine/libonnxruntime.so", EVIL)]],
                )
            },
            Wrong(BASE, "usr/bin/engine"),
        ),
        (
            "a link for the engine's folder",
            |image| {
                base(
                    image,
                    &[&[
                        Member::link("usr/lib", b'2', "/x"),
                        Member::link("x/scorebox", b'2', "/y"),
                    ]],
                )
            },
            Wrong(BASE, "usr/lib"),
        ),
        (
            "an attribute that hides",
            |image| {
                base(
                    image,
                    &[&[
                        Member::records(&[("SCHILY.xattr.trusted.overlay.opaque", "y")]),
                        Member::new("home/", b'5', b""),
                    ]],
                )
            },
            Wrong(BASE, "overlay.opaque"),
        ),
        (
            "a path out of the root",
            |image| base(image, &[&[Member::file("../x", EVIL)]]),
            Wrong("layer base-2", "out of the root"),
        ),
        (
            "a long extension header",
            |image| {
                base(
                    image,
                    &[&[
                        Member::new("x", b'x', &vec![b'1'; 2 << 20]),
                        Member::file("x", b""),
                    ]],
                )
            },
            Wrong("layer base-2", "extension header of 2097152 bytes"),
        ),
        (
            "an endless extension header",
            |image| {
                base(
                    image,
                    &[&[Member::new("x", b'L', b"").with(|header| header.set_size(7 << 30))]],
                )
            },
            Wrong("layer base-2", "extension header of 7516192768 bytes"),
        ),
        (
            "a link to itself",
            |image| {
                base(
                    image,
                    &[&[Member::link("l", b'2', "l"), Member::file("l/x", b"")]],
                )
            },
            Wrong("layer base-2", "too many links"),
        ),
        (
            "a link where a folder of ours stands",
            |image| {
                base(
                    image,
                    &[&[
                        Member::link("opt", b'2', "/x"),
                        Member::link("home/site/wwwroot/model", b'2', "/x"),
                    ]],
                )
            },
            NeedsKey("base is the one that is named"),
        ),
        (
            "whiteouts",
            |image| {
                base(
                    image,
                    &[
                        &[Member::file("home/site/wwwroot/evil", EVIL)],
                        &[Member::file("home/site/.wh..wh..opq", b"")],
                    ],
                )
            },
            NeedsKey("base is the one that is named"),
        ),
        (
            "bytes that are not what they are called",
            |image| {
                image.manifest["layers"][0]["mediaType"] =
                    "application/vnd.oci.image.layer.v1.tar+zstd".into();
            },
            Wrong("layer system", "of the type"),
        ),
        (
            "a layer that unpacks to gigabytes",
            |image| {
                let piece = gzip(&vec![0; 64 << 20]);
                image.set_stored(0, &piece.repeat(40), &digest(b"nobody unpacks it to see"));
            },
            Wrong("layer system", "would unpack to more than"),
        ),
        (
            "a tar that the configuration does not name",
            |image| image.config["rootfs"]["diff_ids"][0] = digest(b"x").into(),
            Wrong("layer system", "its tar has the digest"),
        ),
        (
            "a layer that is to be had elsewhere",
            |image| image.manifest["layers"][3]["urls"] = json!(["https://r.example/x"]),
            Wrong("layer app", "another place"),
        ),
    ]);
    // The helper can read what it writes.
    assert_eq!(members(&tar(&[Member::file("a", b"b")])).len(), 1);
}

#[test]
fn an_image_on_a_base_is_right_and_its_signature_settles_what_else_is_open() {
    require!("docker-registry", "skopeo", "umoci", "openssl");
    let (project, dir, registry) = (
        project(),
        tempfile::tempdir().expect("a folder"),
        Registry::start(),
    );
    let (private, public) = (dir.path().join("private"), dir.path().join("public"));
    let mut make = run::tool("openssl");
    make.args([
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
    ])
    .arg(&private);
    run::finish(&mut make, b"").ended(0);
    let mut export = run::tool("openssl");
    export
        .args(["pkey", "-pubout", "-in"])
        .arg(&private)
        .arg("-out")
        .arg(&public);
    run::finish(&mut export, b"").ended(0);
    let bases = [
        (stand_in::functions(&registry), true),
        (stand_in::plain(&registry), false),
    ];
    for (base, is_functions) in bases {
        let layout = dir.path().join(base.name.replace(['/', ':'], "-"));
        let mut command = package(project.path(), &layout);
        command
            .args(["--base", &base.name, "--base-plain-http", "--sign-key"])
            .arg(&private);
        packaged(&mut command);
        let inspect = |more: &[&str]| {
            let mut command = Command::new(place::xtask());
            command
                .env_clear()
                .arg("inspect")
                .arg(&layout)
                .args(["--output", "json"])
                .args(more);
            run::finish(&mut command, b"").ended(0).json()
        };
        let open = |report: &Value| {
            let checks = report["checks"].as_array().expect("checks").iter();
            let open = checks
                .filter(|check| check["verdict"] == "open")
                .filter_map(|check| check["what"].as_str());
            open.map(str::to_owned).collect::<Vec<_>>()
        };
        let without = open(&inspect(&[]));
        assert!(
            without.contains(&"base is the one that is named".to_owned()),
            "{without:?}"
        );
        let starts = "program of the base that starts the host".to_owned();
        assert_eq!(without.contains(&starts), is_functions, "{without:?}");
        let with = open(&inspect(&["--key", public.to_str().expect("a path")]));
        assert!(with.is_empty(), "{with:?}");
    }
}
