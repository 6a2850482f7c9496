//! Planted mistakes of the manifest, the component, the model and the files of the Functions host.
//!
//! Owns this part of the table. Must not know services or registries.

use super::{BUS, Mistake, Scene, nothing};

/// Arguments that check the built app alone.
const APP: [&str; 3] = ["--app", "APP", "--offline"];
/// Arguments that check the project alone.
const PROJECT: [&str; 3] = ["--manifest", "PROJECT", "--offline"];

fn check(plant: &dyn Fn(&Scene), words: &[&str], line: (&str, &str), text: &str, fix: &str) {
    let mistake = Mistake {
        plant,
        words,
        variables: &[BUS],
        line,
        text,
        fix,
    };
    mistake.check();
}

#[test]
fn mistakes_of_the_manifest() {
    let problem = ("manifest", "problem");
    check(
        &|scene| {
            scene.edit("project/scorebox.toml", |text| {
                format!("{text}\n[limits]\nmemroy = \"1GiB\"\n")
            })
        },
        &PROJECT,
        problem,
        "`limits.memroy` is not a setting",
        "the nearest is `limits.memory`",
    );
    check(
        &|scene| scene.edit("project/scorebox.toml", |text| format!("{text}\n[limits\n")),
        &PROJECT,
        problem,
        "invalid TOML",
        "correct the line",
    );
    check(
        &nothing,
        &["--manifest", "/nonexistent/scorebox.toml", "--offline"],
        problem,
        "cannot be read",
        "--manifest",
    );
    check(
        &|scene| {
            scene.edit("project/scorebox.toml", |text| {
                text.replace("1.0.0", "1.1.0")
            })
        },
        &["--manifest", "PROJECT", "--app", "APP", "--offline"],
        ("manifest", "warning"),
        "--app holds `digits 1.0.0`, and --manifest says `digits 1.1.0`",
        "build and package the project again",
    );
}

#[test]
fn mistakes_of_the_component() {
    let problem = ("component", "problem");
    let bytes = |scene: &Scene, bytes: &[u8]| {
        std::fs::write(scene.path("project/component.wasm"), bytes).expect("a file");
    };
    check(
        &|scene| bytes(scene, b"\0asm\x01\0\0\0"),
        &PROJECT,
        problem,
        "component",
        "",
    );
    check(
        &|scene| bytes(scene, b"<html>"),
        &PROJECT,
        problem,
        "component",
        "",
    );
    check(
        &|scene| std::fs::remove_file(scene.path("project/component.wasm")).expect("it is there"),
        &PROJECT,
        problem,
        "is not a file",
        "compile the component first",
    );
    check(
        &|scene| {
            scene.edit("project/scorebox.toml", |text| {
                text.replace("\"component.wasm\"", "{ cargo = \"source\" }")
            })
        },
        &PROJECT,
        problem,
        "Cargo.toml does not exist",
        "name the folder of a Cargo package",
    );
    check(
        &|scene| std::fs::write(scene.path("app/component.wasm"), b"other").expect("a file"),
        &APP,
        problem,
        "is not WebAssembly",
        "--target wasm32-wasip2",
    );
}

#[test]
fn mistakes_of_the_model() {
    let problem = ("model", "problem");
    check(
        &|scene| {
            std::fs::write(scene.path("project/model/model.pkl"), b"\x80\x04\x95.")
                .expect("a file");
        },
        &PROJECT,
        problem,
        "pickle",
        "",
    );
    check(
        &|scene| std::fs::remove_dir_all(scene.path("project/model")).expect("it is there"),
        &PROJECT,
        problem,
        "`scorer.model` cannot be read",
        "name the model's folder or file",
    );
    check(
        &|scene| {
            let mut files = std::fs::read_dir(scene.path("app/model")).expect("a folder");
            let file = files.next().expect("a file").expect("a file").path();
            let mut bytes = std::fs::read(&file).expect("a file");
            *bytes.last_mut().expect("it has content") ^= 1;
            std::fs::write(file, bytes).expect("a file");
        },
        &APP,
        problem,
        "changed since it was packaged",
        "",
    );
    check(
        &|scene| std::fs::write(scene.path("project/model/.env"), b"KEY=1").expect("a file"),
        &PROJECT,
        problem,
        "a hidden file in the model",
        "remove it",
    );
}

#[test]
fn mistakes_of_the_files_of_the_functions_host() {
    let problem = ("host.json", "problem");
    let host = |change: &'static dyn Fn(&mut serde_json::Value)| {
        move |scene: &Scene| {
            scene.edit("app/host.json", |text| {
                let mut value = serde_json::from_str(&text).expect("JSON");
                change(&mut value);
                value.to_string()
            });
        }
    };
    check(
        &|scene| std::fs::remove_file(scene.path("app/host.json")).expect("it is there"),
        &APP,
        problem,
        "the app folder has no host.json",
        "cargo xtask build",
    );
    check(
        &|scene| scene.edit("app/host.json", |text| text.replace('{', "[")),
        &APP,
        problem,
        "host.json",
        "correct the file",
    );
    check(
        &host(&|host| {
            host["customHandler"]["description"]["defaultExecutablePath"] = "handler".into()
        }),
        &APP,
        problem,
        "host.json starts `handler`",
        "build the app again",
    );
    check(
        &host(&|host| host["functionTimeout"] = "00:00:03".into()),
        &APP,
        problem,
        "`functionTimeout` of host.json is 3 s",
        "set `functionTimeout` to more than `limits.deadline`",
    );
    check(
        &host(&|host| {
            drop(
                host.as_object_mut()
                    .expect("an object")
                    .remove("extensionBundle"),
            )
        }),
        &APP,
        problem,
        "names no `extensionBundle`",
        "build the app again",
    );
    check(
        &host(&|host| host["customHandler"]["enableForwardingHttpRequest"] = false.into()),
        &APP,
        ("host.json", "warning"),
        "does not forward HTTP requests",
        "build the app again",
    );
    check(
        &|scene| {
            scene.edit("app/applications/function.json", |text| {
                text.replace("\"applications\"", "\"others\"")
            })
        },
        &APP,
        problem,
        "applications/function.json is not what scorebox.toml says: `/bindings/0/queueName` differs",
        "build the app again",
    );
    check(
        &|scene| std::fs::remove_file(scene.path("app/score/function.json")).expect("it is there"),
        &APP,
        problem,
        "score/function.json is missing",
        "build the app again",
    );
}
