//! Documents that two readers read differently, and lists that lead to several images.
//!
//! Owns the documents.

use serde_json::{Value, json};

use super::{assert_wrong, inspect, with_original};

#[test]
fn documents_that_two_readers_read_differently_are_named() {
    with_original(|copy| {
        let refuse = |name: &str,
                      config: &dyn Fn(String) -> String,
                      manifest: &dyn Fn(String) -> String,
                      what,
                      part| {
            let mut image = copy(name);
            let text = config(image.config.to_string());
            image.finish_with(&text, |document| manifest(document.to_string()));
            assert_wrong(name, &inspect(&image.layout, "json"), what, part);
        };
        let same = |text: String| text;
        // Go uses the last of these keys, and ignores their case.
        let second = |key: &'static str, value: &'static str| {
            move |text: String| {
                format!(
                    "{},{key}:{value}}}",
                    text.strip_suffix('}').expect("an object")
                )
            }
        };
        let entrypoint =
            |text: String| text.replace("\"config\":{", "\"config\":{\"entrypoint\":[\"/evil\"],");
        refuse(
            "second entrypoint",
            &entrypoint,
            &same,
            "config",
            "`entrypoint` twice",
        );
        refuse(
            "second config",
            &second("\"config\"", "{}"),
            &same,
            "config",
            "occurs twice",
        );
        refuse(
            "second layers",
            &same,
            &second("\"Layers\"", "[]"),
            "manifest",
            "`layers` twice",
        );
        refuse(
            "long s",
            &same,
            &second("\"layer\u{17f}\"", "[]"),
            "manifest",
            "beyond ASCII",
        );
    });
}

#[test]
fn lists_that_lead_to_several_images_are_named() {
    with_original(|copy| {
        // There are two images for one platform, or one image without a platform.
        for (name, platform) in [
            (
                "two platforms",
                json!({ "os": "linux", "architecture": "x86_64" }),
            ),
            ("no platform", Value::Null),
        ] {
            let mut image = copy(name);
            image.finish();
            let entry = image.index["manifests"][0].clone();
            let mut other = entry.clone();
            other["platform"] = platform;
            let media_type = "application/vnd.oci.image.index.v1+json";
            let list =
                json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [entry, other] })
                    .to_string();
            let digest = image.put(list.as_bytes());
            image.index["manifests"][0] =
                json!({ "mediaType": media_type, "digest": digest, "size": list.len() });
            image.write_index();
            let found = inspect(&image.layout, "json");
            assert_wrong(
                name,
                &found,
                "list of images names one for linux/amd64",
                "any of 2 images",
            );
        }
        let mut image = copy("one tag twice");
        image.finish();
        let entry = image.index["manifests"][0].clone();
        image.index["manifests"]
            .as_array_mut()
            .expect("a list")
            .push(entry);
        image.write_index();
        assert_wrong(
            "one tag twice",
            &inspect(&image.layout, "json"),
            "tag of the layout",
            "2 images",
        );
    });
}
