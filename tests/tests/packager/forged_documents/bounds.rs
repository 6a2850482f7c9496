//! Documents without an end, and texts that try to control the terminal.
//!
//! Owns the limits on what is read of an image, and the escaping of what is shown.

use scorebox_tests::forgery::{Forgery, Member};
use scorebox_tests::{require, run};
use serde_json::Value;

use super::{add_variable, comment, inspect, with_original};

#[test]
fn what_a_layout_states_is_bounded_before_it_is_read() {
    require!("mkfifo", "truncate");
    with_original(|copy| {
        // Pipes never end, and files of 8 TiB must not be read.
        for (name, replace) in [
            ("pipe", &["mkfifo"] as &[&str]),
            ("huge", &["truncate", "--size", "8T"]),
        ] {
            for blob in ["config", "layer", "manifest", "list"] {
                let mut image = copy(&format!("{name} {blob}"));
                image.finish();
                let of = |value: &Value| {
                    let digest = value["digest"]
                        .as_str()
                        .expect("a digest")
                        .replace("sha256:", "");
                    image.layout.join("blobs/sha256").join(digest)
                };
                let path = match blob {
                    "config" => of(&image.manifest["config"]),
                    "layer" => of(&image.manifest["layers"][0]),
                    "manifest" => of(&image.index["manifests"][0]),
                    _ => image.layout.join("index.json"),
                };
                std::fs::remove_file(&path).expect("a file");
                run::finish(run::tool(replace[0]).args(&replace[1..]).arg(&path), b"").ended(0);
                let found = inspect(&image.layout, "json");
                assert!(
                    matches!(found.status.code(), Some(3 | 7)),
                    "{name} {blob}: {}",
                    found.stderr
                );
                assert!(
                    found.stderr.contains("is not a file of"),
                    "{name} {blob}: {}",
                    found.stderr
                );
            }
        }
        let mut image = copy("many layers");
        let layer = image.manifest["layers"][0].clone();
        image.manifest["layers"]
            .as_array_mut()
            .expect("a list")
            .extend(vec![layer; 200]);
        image.finish();
        inspect(&image.layout, "json")
            .ended(7)
            .said(&["has 204 layers"]);
        let mut image = copy("long label");
        image.config["config"]["Labels"]["dev.scorebox.world"] = "x".repeat(5 << 20).into();
        image.finish();
        let found = inspect(&image.layout, "text").ended(7);
        assert!(
            found.stdout.len() + found.stderr.len() < 64 << 10,
            "{}",
            found.stdout.len()
        );
    });
}

/// A place in the image that holds text, and a function that puts text there.
type Place<'a> = (&'static str, &'a dyn Fn(&mut Forgery));

#[test]
fn nothing_of_an_image_reaches_the_terminal_unescaped() {
    let evil = "x\nok     layer app  1 bytes, all is well\r\u{1b}[2K\u{9b}1A\u{7f}\u{202e}";
    let escaped = "x\\nok     layer app";
    let places: [Place<'_>; 9] = [
        ("label", &|image| {
            image.config["config"]["Labels"]["dev.scorebox.scorer.name"] = evil.into()
        }),
        ("unknown label", &|image| {
            image.config["config"]["Labels"][format!("dev.scorebox.{evil}")] = "x".into()
        }),
        ("base", &|image| {
            image.on_base();
            image.manifest["annotations"]["org.opencontainers.image.base.name"] = evil.into();
        }),
        ("comment", &|image| comment(image, "app", evil)),
        ("name in a comment", &|image| {
            image.config["history"][3]["comment"] = format!("{evil}: x").into()
        }),
        ("path", &|image| {
            image.change("app", |members| {
                members.push(Member::file(&evil.replace('/', ""), b"x"))
            })
        }),
        ("media type", &|image| {
            image.manifest["layers"][0]["mediaType"] = evil.into()
        }),
        ("digest", &|image| {
            image.manifest["layers"][0]["digest"] = evil.into()
        }),
        ("variable", &|image| add_variable(image, evil)),
    ];
    with_original(|copy| {
        for (name, forge) in places {
            let mut image = copy(name);
            forge(&mut image);
            image.finish();
            for output in ["text", "json"] {
                let found = inspect(&image.layout, output);
                let all = format!("{}{}", found.stdout, found.stderr);
                let is_obeyed = |character: char| {
                    character.is_control() && character != '\n' || character == '\u{202e}'
                };
                assert!(!all.contains(is_obeyed), "{name}: {all:?}");
                assert!(
                    !all.lines()
                        .any(|line| line.contains("all is well") && line.starts_with("ok ")),
                    "{name}: {all}"
                );
                if name != "name in a comment" {
                    assert!(all.contains(escaped), "{name}: {all}");
                }
            }
        }
    });
}
