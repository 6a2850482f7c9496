//! `cargo xtask inspect` on images with altered layers, in which every digest fits.
//!
//! Owns the alterations of Scorebox's own layers, and the layers on top of them. Must not know how
//! they are found. Long because it is a table of cases.

use scorebox_tests::forgery::{Forgery, Member, digest, tar};
use scorebox_tests::require;
use scorebox_tests::verdict::Outcome::{NeedsKey, Right, Wrong};
use scorebox_tests::verdict::judge;
use serde_json::json;

const ON_TOP: &str = "layers of `package` are on top";
const FORM: &str = "layers hold what `package` writes";
const CODE: &str = "home/site/wwwroot/component.cwasm";
const MODEL: &str = "home/site/wwwroot/model/";
const EVIL: &[u8] = b"other machine code";

/// Appends members to the app layer.
fn add(forgery: &mut Forgery, more: &[Member]) {
    forgery.change("app", |members| members.extend_from_slice(more));
}

#[test]
fn a_layer_that_is_not_ours_above_ours_is_named() {
    require!("openssl");
    judge(&[
        ("nothing", |_| (), Right),
        (
            "layers packed again",
            |image| {
                (0..image.count()).for_each(|layer| image.set(layer, &tar(&image.members(layer))))
            },
            Right,
        ),
        (
            "another host on top",
            |image| image.insert(image.count(), &[Member::file("usr/bin/scorebox", EVIL)]),
            Wrong(ON_TOP, "is above"),
        ),
        (
            "other code on top, by a path that is cleaned",
            |image| {
                image.insert(
                    image.count(),
                    &[Member::file(
                        "/home//site/./x/../wwwroot/component.cwasm",
                        EVIL,
                    )],
                )
            },
            Wrong(ON_TOP, "is above"),
        ),
        (
            "a mark of removal on top",
            |image| image.insert(image.count(), &[Member::file("usr/bin/.wh.scorebox", b"")]),
            Wrong(ON_TOP, "is above"),
        ),
        (
            "nothing of ours on top",
            |image| image.insert(image.count(), &[]),
            Wrong(ON_TOP, "is above"),
        ),
        (
            "a second layer that calls itself app",
            |image| {
                let app = image.config["history"][image.layer("app")].clone();
                image.insert(image.count(), &[Member::file(CODE, EVIL)]);
                let top = image.count() - 1;
                image.config["history"][top] = app;
            },
            Wrong(ON_TOP, "no layer of `package` holds the host"),
        ),
        (
            "a layer between ours",
            |image| image.insert(image.count() - 1, &[Member::file("usr/bin/scorebox", EVIL)]),
            Wrong(ON_TOP, "holds the host"),
        ),
        (
            "layers in another order",
            |image| {
                let (host, app) = (image.layer("host"), image.layer("app"));
                image.config["history"]
                    .as_array_mut()
                    .expect("a list")
                    .swap(host, app);
                image.config["rootfs"]["diff_ids"]
                    .as_array_mut()
                    .expect("a list")
                    .swap(host, app);
                image.manifest["layers"]
                    .as_array_mut()
                    .expect("a list")
                    .swap(host, app);
            },
            Wrong(ON_TOP, "no layer of `package` holds the app"),
        ),
        (
            "a history that knows nothing of ours",
            |image| {
                image.config["history"]
                    .as_array_mut()
                    .expect("a list")
                    .iter_mut()
                    .for_each(|entry| *entry = json!({}))
            },
            Wrong(ON_TOP, "holds the app"),
        ),
        (
            "a history with more layers",
            |image| {
                image.config["history"]
                    .as_array_mut()
                    .expect("a list")
                    .insert(0, json!({}))
            },
            Wrong("configuration names every layer", "there are"),
        ),
        (
            "a layer below ours that no base is named for",
            |image| {
                image.on_base();
                image.manifest["annotations"]
                    .as_object_mut()
                    .expect("an object")
                    .remove("org.opencontainers.image.base.name");
            },
            NeedsKey("base is the one that is named"),
        ),
    ]);
}

#[test]
fn what_package_does_not_write_into_a_layer_is_named() {
    require!("openssl");
    judge(&[
        (
            "a path with a dot",
            |image| add(image, &[Member::file(&format!("./{CODE}"), EVIL)]),
            Wrong(FORM, "another path"),
        ),
        (
            "an absolute path",
            |image| add(image, &[Member::file(&format!("/{CODE}"), EVIL)]),
            Wrong(FORM, "another path"),
        ),
        (
            "a path that goes back",
            |image| add(image, &[Member::file(&format!("x/../{CODE}"), EVIL)]),
            Wrong(FORM, "another path"),
        ),
        (
            "a path with two slashes",
            |image| {
                add(
                    image,
                    &[Member::file(&CODE.replace("site/", "site//"), EVIL)],
                )
            },
            Wrong(FORM, "another path"),
        ),
        (
            "a path that ends in a slash",
            |image| add(image, &[Member::file(&format!("{CODE}/"), EVIL)]),
            Wrong(FORM, "another path"),
        ),
        (
            "a path out of the root",
            |image| add(image, &[Member::file("../../etc/passwd", EVIL)]),
            Wrong("layer app", "out of the root"),
        ),
        (
            "the same path twice",
            |image| add(image, &[Member::file(CODE, EVIL)]),
            Wrong(FORM, "twice"),
        ),
        (
            "a path in a PAX header",
            |image| {
                add(
                    image,
                    &[Member::records(&[("path", CODE)]), Member::file("x", EVIL)],
                )
            },
            Wrong(FORM, "extension header"),
        ),
        (
            "a size in a PAX header",
            |image| {
                add(
                    image,
                    &[
                        Member::records(&[("size", "0")]),
                        Member::file(&format!("{MODEL}z"), b""),
                    ],
                )
            },
            Wrong(FORM, "extension header"),
        ),
        (
            "a PAX header for all",
            |image| {
                add(
                    image,
                    &[Member::new(
                        CODE,
                        b'g',
                        &Member::records(&[("comment", "x")]).content,
                    )],
                )
            },
            Wrong(FORM, "not a file"),
        ),
        (
            "a long name of GNU",
            |image| {
                add(
                    image,
                    &[
                        Member::new("././@LongLink", b'L', CODE.as_bytes()),
                        Member::file("x", EVIL),
                    ],
                )
            },
            Wrong(FORM, "extension header"),
        ),
        (
            "a symbolic link",
            |image| add(image, &[Member::link(CODE, b'2', "/etc/passwd")]),
            Wrong(FORM, "not a file"),
        ),
        (
            "a hard link",
            |image| {
                add(
                    image,
                    &[Member::link(CODE, b'1', "home/site/wwwroot/host.json")],
                )
            },
            Wrong(FORM, "not a file"),
        ),
        (
            "a link as the app folder",
            |image| {
                image.change("app", |members| {
                    members.retain(|member| member.name() != "home/site/wwwroot/")
                })
            },
            Wrong(FORM, "folder that the layer does not hold"),
        ),
        (
            "a mark of removal",
            |image| {
                add(
                    image,
                    &[Member::file(&format!("{MODEL}.wh.digits.safetensors"), b"")],
                )
            },
            Wrong(FORM, "removes"),
        ),
        (
            "an opaque folder",
            |image| add(image, &[Member::file(&format!("{MODEL}.wh..wh..opq"), b"")]),
            Wrong(FORM, "removes"),
        ),
        (
            "a device that removes",
            |image| add(image, &[Member::new(CODE, b'3', b"")]),
            Wrong(FORM, "not a file"),
        ),
        (
            "a type that no runtime knows",
            |image| {
                add(
                    image,
                    &[
                        Member::file(CODE, b"")
                            .with(|header| header.set_entry_type(tar_type(b'S'))),
                    ],
                )
            },
            Wrong("layer app", "no container runtime unpacks"),
        ),
        (
            "a number in base 256",
            |image| {
                image.change("app", |members| {
                    let last = members.last_mut().expect("a member");
                    last.header.as_mut_bytes()[136..148]
                        .copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
                    last.header.set_cksum();
                })
            },
            Wrong(FORM, "extension header"),
        ),
        (
            "files behind the end",
            |image| {
                let layer = image.layer("app");
                let whole = tar(&image.members(layer));
                image.set(layer, &[whole, tar(&[Member::file(CODE, EVIL)])].concat());
            },
            Wrong(FORM, "follows the end"),
        ),
        (
            "a host that runs as root",
            |image| {
                image.change("host", |members| {
                    let last = members.pop().expect("the host");
                    members.push(last.with(|header| header.set_mode(0o4755)));
                })
            },
            Wrong(FORM, "permissions"),
        ),
        (
            "a file of another user",
            |image| {
                image.change("app", |members| {
                    let last = members.pop().expect("a member");
                    members.push(last.with(|header| header.set_uid(65532)));
                })
            },
            Wrong(FORM, "another user"),
        ),
        (
            "a library beside the host",
            |image| {
                image.change("host", |members| {
                    members.push(
                        Member::file("usr/lib.so", EVIL).with(|header| header.set_mode(0o755)),
                    )
                })
            },
            Wrong(FORM, "does not belong"),
        ),
        (
            "a file of the system",
            |image| image.change("system", |members| members.push(Member::file("zz", EVIL))),
            Wrong(FORM, "does not belong"),
        ),
        (
            "code in another case",
            |image| {
                image.change("app", |members| {
                    let at = members
                        .iter()
                        .position(|member| member.name().ends_with("component.cwasm"))
                        .expect("code");
                    members.insert(at, Member::file(&CODE.replace("comp", "Comp"), EVIL));
                    members[..]
                        .sort_by_key(|member| member.name().trim_end_matches('/').to_owned());
                })
            },
            Wrong(
                "app folder holds what scorebox.toml asks for",
                "Component.cwasm",
            ),
        ),
        (
            "one more function",
            |image| {
                image.change("app", |members| {
                    members.push(Member::new("home/site/wwwroot/zz/", b'5', b""));
                    members.push(Member::file("home/site/wwwroot/zz/function.json", b"{}"));
                })
            },
            Wrong(
                "app folder holds what scorebox.toml asks for",
                "zz/function.json",
            ),
        ),
        (
            "other code",
            |image| replace(image, "component.cwasm", EVIL),
            Wrong("precompiled.digest in scorebox.toml", "machine code"),
        ),
        (
            "another model, with its label and comment",
            another_model,
            Wrong("precompiled.model in scorebox.toml", "the files say"),
        ),
        (
            "another component",
            |image| replace(image, "component.wasm", EVIL),
            Wrong("label dev.scorebox.component.digest", "the files say"),
        ),
        (
            "another program in host.json",
            |image| {
                replace(
                    image,
                    "host.json",
                    br#"{"customHandler":{"description":{"defaultExecutablePath":"/bin/sh"}}}"#,
                )
            },
            Wrong("host.json starts the host", "/bin/sh"),
        ),
    ]);
}

fn tar_type(kind: u8) -> ::tar::EntryType {
    ::tar::EntryType::new(kind)
}

/// Replaces the content of a file of the app.
fn replace(image: &mut Forgery, name: &str, content: &[u8]) {
    image.change("app", |members| {
        for member in members
            .iter_mut()
            .filter(|member| member.name() == format!("home/site/wwwroot/{name}"))
        {
            *member = Member::file(&member.name(), content);
        }
    });
}

#[test]
fn what_only_a_signature_can_tell_is_said_to_need_a_key() {
    require!("openssl");
    judge(&[
        (
            "another host",
            |image| {
                image.change("host", |members| {
                    let host = members.last_mut().expect("the host");
                    *host.content.last_mut().expect("a byte") ^= 1;
                })
            },
            NeedsKey("signature"),
        ),
        (
            "other settings",
            |image| {
                image.change("app", |members| {
                    for member in members
                        .iter_mut()
                        .filter(|member| member.name().ends_with("scorebox.toml"))
                    {
                        let text = String::from_utf8(member.content.clone()).expect("text");
                        *member = Member::new(
                            &member.name(),
                            b'0',
                            text.replace("\"function\"", "\"anonymous\"").as_bytes(),
                        );
                    }
                })
            },
            NeedsKey("signature"),
        ),
        (
            "another authority for certificates",
            |image| {
                image.change("system", |members| {
                    for member in members
                        .iter_mut()
                        .filter(|member| member.name().ends_with("ca-certificates.crt"))
                    {
                        *member = Member::file(&member.name(), EVIL);
                    }
                })
            },
            NeedsKey("users, names and root certificates"),
        ),
        (
            "another base",
            |image| {
                image.on_base();
                image.set(0, &tar(&[Member::file("lib/libc.so.6", EVIL)]));
            },
            NeedsKey("base is the one that is named"),
        ),
    ]);
}

/// Changes a model of one file, and updates every place where the image states its digest.
fn another_model(image: &mut Forgery) {
    let layer = image.layer("model");
    let mut members = image.members(layer);
    let file = members.last_mut().expect("the model");
    *file.content.last_mut().expect("a byte") ^= 1;
    let name = file.name().replace(MODEL, "");
    let lengths = [name.len(), file.content.len()].map(|length| (length as u64).to_le_bytes());
    let model = digest(&[&lengths[0], name.as_bytes(), &lengths[1], &file.content].concat());
    image.set(layer, &tar(&members));
    image.config["config"]["Labels"]["dev.scorebox.model.digest"] = model.as_str().into();
    image.config["history"][layer]["comment"] = format!("model: model {model}").into();
}
