//! Signatures of images in Sigstore's bundle format, as cosign writes them since version 3.
//!
//! Owns the bundle and the statement in it. Must not know where bundles are kept. Only signatures
//! with a key are made and verified: those with a certificate need Sigstore's services.

use scorebox_workspace::digest::Digest;
use serde_json::{Value, json};

use crate::signing::{Key, PublicKey, STATEMENT_MEDIA_TYPE, opened};

/// Media type of a Sigstore bundle of version 0.3, and the type of the artifact that holds it.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Type of the predicate in a statement by which cosign signs an image.
pub const SIGN_PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
/// Type of an in-toto statement of version 1.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The signature of an image, read from a bundle.
#[derive(Debug, PartialEq, Eq)]
pub struct ImageSignature {
    /// Digests of the images that the signature is about.
    pub images: Vec<Digest>,
    /// Signer of the image, as far as the signer is known.
    pub signer: Signer,
}

/// Signer of a bundle, as far as the signer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The owner of the private key of the given public key.
    GivenKey,
    /// The owner of a key. The key differs from the given key, the signature is not valid, or no
    /// key was given.
    SomeKey,
    /// The owner of a certificate, as in cosign's keyless signatures. The certificate is not
    /// verified here.
    Certificate,
}

/// Signs the image with this digest, and returns the bundle as JSON. The same key and digest always
/// give the same bytes. The bundle has no entry of a transparency log.
pub fn sign(key: &Key, image: &Digest) -> Vec<u8> {
    let statement = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "digest": { "sha256": image.hex() } }],
        "predicateType": SIGN_PREDICATE_TYPE,
        "predicate": {},
    });
    let envelope = key.sign_statement(statement.to_string().as_bytes());
    let mut envelope: Value = serde_json::from_slice(&envelope).unwrap_or_default();
    // The hint names the key for the whole bundle.
    let signatures = envelope.get_mut("signatures").and_then(Value::as_array_mut);
    for signature in signatures.into_iter().flatten() {
        signature.as_object_mut().map(|one| one.remove("keyid"));
    }
    let bundle = json!({
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": { "publicKey": { "hint": key.hint() } },
        "dsseEnvelope": envelope,
    });
    bundle.to_string().into_bytes()
}

/// Reads the signature of an image from a bundle, and verifies it if `key` is given. Returns `None`
/// if the bundle holds anything else, e.g. the provenance statement of another tool, or if it does
/// not have exactly one signature.
pub fn open(bundle: &[u8], key: Option<&PublicKey>) -> Option<ImageSignature> {
    let bundle: Value = serde_json::from_slice(bundle).ok()?;
    let of_bundle = |pointer: &str| bundle.pointer(pointer).and_then(Value::as_str);
    let signatures = bundle.pointer("/dsseEnvelope/signatures")?.as_array()?;
    // Sigstore's readers refuse a bundle with another number of signatures.
    if of_bundle("/mediaType") != Some(BUNDLE_MEDIA_TYPE)
        || of_bundle("/dsseEnvelope/payloadType") != Some(STATEMENT_MEDIA_TYPE)
        || signatures.len() != 1
    {
        return None;
    }
    let envelope = serde_json::to_vec(bundle.get("dsseEnvelope")?).ok()?;
    let (statement, is_signed) = opened(&envelope, key)?;
    let statement: Value = serde_json::from_slice(&statement).ok()?;
    let text = |name: &str| statement.get(name).and_then(Value::as_str);
    if text("_type") != Some(STATEMENT_TYPE) || text("predicateType") != Some(SIGN_PREDICATE_TYPE) {
        return None;
    }
    let subjects = statement.get("subject").and_then(Value::as_array)?;
    let images = subjects.iter().filter_map(|subject| {
        let hex = subject.pointer("/digest/sha256")?.as_str()?;
        Digest::parse(&format!("sha256:{hex}"))
    });
    let is_by_key = bundle.pointer("/verificationMaterial/publicKey").is_some();
    Some(ImageSignature {
        images: images.collect(),
        signer: match (is_signed, is_by_key) {
            (true, _) => Signer::GivenKey,
            (false, true) => Signer::SomeKey,
            (false, false) => Signer::Certificate,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> (Key, PublicKey) {
        use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
        let dir = tempfile::tempdir().unwrap();
        let secret = p256::SecretKey::from_slice(&[byte; 32]).unwrap();
        let private = secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        let public = secret
            .public_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap();
        let (private_path, public_path) = (dir.path().join("k"), dir.path().join("p"));
        std::fs::write(&private_path, private.as_bytes()).unwrap();
        std::fs::write(&public_path, public).unwrap();
        (
            Key::read(&private_path).unwrap(),
            PublicKey::read(&public_path).unwrap(),
        )
    }

    #[test]
    fn a_bundle_is_about_one_image_and_by_one_key() {
        let image = Digest::of(b"image");
        let ((key, public), (_, other)) = (keys(7), keys(8));
        let bundle = sign(&key, &image);
        assert_eq!(bundle, sign(&key, &image));
        let by = |signer| {
            Some(ImageSignature {
                images: vec![image.clone()],
                signer,
            })
        };
        assert_eq!(open(&bundle, Some(&public)), by(Signer::GivenKey));
        assert_eq!(open(&bundle, Some(&other)), by(Signer::SomeKey));
        assert_eq!(open(&bundle, None), by(Signer::SomeKey));
        let text = String::from_utf8(bundle).unwrap();
        let keyless = text.replace("publicKey", "certificate");
        assert_eq!(open(keyless.as_bytes(), None), by(Signer::Certificate));
        // Any change of the statement or of the signature is found.
        let parsed: Value = serde_json::from_str(&text).unwrap();
        for pointer in ["/dsseEnvelope/payload", "/dsseEnvelope/signatures/0/sig"] {
            let mut altered = parsed.clone();
            let member = altered.pointer_mut(pointer).unwrap();
            let mut bytes = member.as_str().unwrap().to_owned().into_bytes();
            bytes[40] = if bytes[40] == b'A' { b'B' } else { b'A' };
            *member = String::from_utf8(bytes).unwrap().into();
            let found = open(altered.to_string().as_bytes(), Some(&public));
            assert!(
                found.is_none_or(|found| found.signer == Signer::SomeKey),
                "{pointer}"
            );
        }
    }

    #[test]
    fn a_bundle_has_its_types_and_one_signature() {
        let (key, public) = keys(7);
        let bundle: Value = serde_json::from_slice(&sign(&key, &Digest::of(b"image"))).unwrap();
        let opened = |bundle: &Value| open(bundle.to_string().as_bytes(), Some(&public));
        assert!(opened(&bundle).is_some());
        for pointer in ["/mediaType", "/dsseEnvelope/payloadType"] {
            for value in [json!("application/json"), Value::Null] {
                let mut altered = bundle.clone();
                *altered.pointer_mut(pointer).unwrap() = value;
                assert_eq!(opened(&altered), None, "{pointer}");
            }
        }
        for count in [0, 2] {
            let mut altered = bundle.clone();
            let signatures = altered.pointer_mut("/dsseEnvelope/signatures").unwrap();
            let one = signatures[0].clone();
            *signatures = vec![one; count].into();
            assert_eq!(opened(&altered), None, "{count} signatures");
        }
    }

    #[test]
    fn a_bundle_of_another_kind_is_not_a_signature() {
        let (key, public) = keys(7);
        let statement = br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1","subject":[]}"#;
        let envelope: Value = serde_json::from_slice(&key.sign_statement(statement)).unwrap();
        for bundle in [
            json!({ "dsseEnvelope": envelope }),
            json!({ "messageSignature": {} }),
            json!({}),
            json!([]),
        ] {
            assert_eq!(
                open(bundle.to_string().as_bytes(), Some(&public)),
                None,
                "{bundle}"
            );
        }
        assert_eq!(open(b"{", None), None);
    }
}
