//! Software bill of materials (SBOM) of an image, in CycloneDX 1.6.
//!
//! Owns this document. Must not know how it is attached to the image. The document is built here
//! instead of with a crate, because the CycloneDX crate brings a parser for XML, and only a small
//! part of CycloneDX is needed.

use scorebox_host::graph::ENGINE;
use scorebox_workspace::digest::Digest;
use serde_json::{Value, json};

use super::origin::{Crate, FileOrigin, HostOrigin, Origin, PythonPackage, Role};
use crate::image::plan::{CREATED_BY, rfc3339};
use crate::image::{APP_ROOT, HOST_PROGRAM};

/// Media type of the SBOM in CycloneDX (<https://cyclonedx.org/specification/overview/>).
pub const SBOM_MEDIA_TYPE: &str = "application/vnd.cyclonedx+json";
/// Value of `bom-ref` by which other entries of the SBOM refer to the image.
const IMAGE: &str = "image";
const HOST: &str = "host";

/// Returns the SBOM of an image as JSON. `image` is the digest of the image.
pub fn document(origin: &Origin, image: &Digest) -> Vec<u8> {
    let mut parts = vec![host(&origin.host)];
    let mut in_image = vec![HOST.to_owned()];
    let mut in_host = Vec::new();
    if let Some(build) = &origin.host.build {
        let libc = build.libc.as_deref().and_then(|libc| libc.split_once(' '));
        let libc = libc.map(|(name, version)| {
            json!({ "type": "library", "bom-ref": format!("{name} {version}"), "name": name, "version": version,
                "description": "linked statically into the host" })
        });
        for part in build
            .crates
            .iter()
            .filter(|one| !one.name.starts_with("scorebox-"))
            .map(library)
            .chain(libc)
        {
            in_host.extend(reference(&part));
            parts.push(part);
        }
    }
    for part in origin
        .files
        .iter()
        .map(|file| self::file(origin, file))
        .chain(origin.python.iter().map(package))
        .chain(origin.base.as_ref().map(base))
    {
        in_image.extend(reference(&part));
        parts.push(part);
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(origin.epoch),
            "tools": { "components": [
                { "type": "application", "name": CREATED_BY, "version": env!("CARGO_PKG_VERSION") },
            ] },
            "component": {
                "type": "container", "bom-ref": IMAGE, "name": origin.repository, "version": origin.version,
                "hashes": hashes(image.hex()),
            },
        },
        "components": parts,
        "dependencies": [{ "ref": IMAGE, "dependsOn": in_image }, { "ref": HOST, "dependsOn": in_host }],
    });
    let serial = format!(
        "urn:uuid:{}",
        uuid(&Digest::of(document.to_string().as_bytes()))
    );
    insert(&mut document, "serialNumber", serial.into());
    document.to_string().into_bytes()
}

fn host(host: &HostOrigin) -> Value {
    let mut part = json!({ "type": "application", "bom-ref": HOST, "name": "scorebox", "hashes": hashes(host.digest.hex()) });
    let known = match &host.build {
        Some(build) => {
            insert(&mut part, "version", build.version.clone().into());
            insert(&mut part, "licenses", licenses(env!("CARGO_PKG_LICENSE")));
            "whole"
        }
        None => "none: it was built elsewhere",
    };
    let path = property("path", HOST_PROGRAM.trim_start_matches('/'));
    insert(
        &mut part,
        "properties",
        json!([path, property("parts-known", known)]),
    );
    part
}

/// Returns the entry of a crate in an SBOM.
pub fn library(one: &Crate) -> Value {
    let Crate {
        name,
        version,
        license,
        checksum,
    } = one;
    // A plus sign in a package URL would be read as a space.
    let purl = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
    let mut part = json!({ "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl });
    if let Some(license) = license {
        insert(&mut part, "licenses", licenses(license));
    }
    if let Some(checksum) = checksum {
        insert(&mut part, "hashes", hashes(checksum));
    }
    part
}

/// Returns the entry of a package of Python in an SBOM.
fn package(one: &PythonPackage) -> Value {
    let PythonPackage { name, version, .. } = one;
    let purl = format!("pkg:pypi/{name}@{}", version.replace('+', "%2B"));
    let place = match one.is_in_pack {
        true => "engine pack",
        false => "packages of the script",
    };
    let mut part = json!({ "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "properties": [property("part-of", place)] });
    if let Some(license) = &one.license {
        // Most packages name their licence in their own words.
        insert(
            &mut part,
            "licenses",
            json!([{ "license": { "name": license } }]),
        );
    }
    if let Some(sha256) = &one.sha256 {
        insert(&mut part, "hashes", hashes(sha256));
    }
    part
}

fn file(origin: &Origin, file: &FileOrigin) -> Value {
    let mit = Some("MIT".to_owned());
    let (kind, license) = match file.role {
        Role::Component => ("application", &origin.license),
        Role::Code | Role::Settings | Role::Package | Role::Pack => ("file", &None),
        Role::Script => ("file", &origin.license),
        Role::Engine => ("library", &mit),
        Role::Library => ("library", &None),
        Role::Model => ("machine-learning-model", &origin.model_license),
    };
    let name = file
        .path
        .strip_prefix(APP_ROOT.trim_start_matches('/'))
        .unwrap_or(&file.path)
        .trim_start_matches('/');
    let mut part = json!({ "type": kind, "bom-ref": name, "name": name, "hashes": hashes(file.digest.hex()),
        "properties": [property("path", &file.path)] });
    if file.role == Role::Component && !origin.version.is_empty() {
        insert(&mut part, "version", origin.version.clone().into());
    }
    if file.role == Role::Engine {
        insert(&mut part, "description", ENGINE.into());
    }
    if let Some(license) = license {
        insert(&mut part, "licenses", licenses(license));
    }
    part
}

fn base((name, digest): &(String, Digest)) -> Value {
    json!({ "type": "container", "bom-ref": format!("base {name}"), "name": name, "hashes": hashes(digest.hex()) })
}

fn reference(part: &Value) -> Option<String> {
    part.get("bom-ref")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn insert(part: &mut Value, key: &str, value: Value) {
    if let Some(part) = part.as_object_mut() {
        part.insert(key.to_owned(), value);
    }
}

fn hashes(hex: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": hex }])
}

fn licenses(expression: &str) -> Value {
    // Before SPDX had `OR`, crates wrote `/`.
    json!([{ "expression": expression.replace('/', " OR ") }])
}

/// Returns the serial number of the SBOM: a UUID of version 8 (RFC 9562) that is made from
/// `content`, the digest of the SBOM without the serial number. Equal SBOMs have equal serial
/// numbers.
fn uuid(content: &Digest) -> String {
    let part =
        |range: std::ops::Range<usize>| content.hex().get(range).unwrap_or_default().to_owned();
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0..8),
        part(8..12),
        part(13..16),
        part(17..20),
        part(20..32)
    )
}

/// Returns a CycloneDX property, `{"name": "dev.scorebox.NAME", "value": VALUE}`. Properties state
/// facts for which CycloneDX has no field.
fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("dev.scorebox.{name}"), "value": value })
}
