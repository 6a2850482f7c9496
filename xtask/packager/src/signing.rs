//! Signatures with a key on this machine, in cosign's formats.
//!
//! Owns keys, the payload that cosign signs for an image, and the envelope (DSSE) around
//! statements. Must not know where signatures are kept. The private key is read from a file and is
//! never shown.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::SecretKey;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Media type of the payload in a DSSE envelope: an in-toto statement.
pub const STATEMENT_MEDIA_TYPE: &str = "application/vnd.in-toto+json";
/// Maximum size of a key file, in bytes. No PEM file of a key is larger.
const LARGEST_KEY_BYTES: u64 = 64 << 10;
/// Instruction in the error message for a file that contains no private key.
const PRIVATE_KEY: &str = "make a key with `openssl genpkey -algorithm EC -pkeyopt \
                           ec_paramgen_curve:P-256 -out scorebox.key`; `cosign import-key-pair \
                           --key scorebox.key` gives cosign the same one";
/// Instruction in the error message for a file that contains no public key.
const PUBLIC_KEY: &str = "get it from the private key with `openssl pkey -in scorebox.key -pubout`";

/// A private key of the curve P-256, which makes signatures. Its `Debug` output does not show the
/// key.
pub struct Key(SigningKey);

/// A public key of the curve P-256, which verifies signatures.
#[derive(Debug, Clone)]
pub struct PublicKey(VerifyingKey);

/// A DSSE envelope: a statement and its signatures (<https://github.com/secure-systems-lab/dsse>).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EnvelopeSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

impl Key {
    /// Reads a private key of the curve P-256 from a PEM file. Fails unless the key is in the
    /// format PKCS #8 or SEC 1 and has no password.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = SecretString::from(read(path, PRIVATE_KEY)?);
        let text = text.expose_secret();
        let refused =
            |problem: &str| Failure::project(format!("{}: {problem}", path.display()), PRIVATE_KEY);
        if text.contains("BEGIN ENCRYPTED") {
            return Err(refused(
                "is encrypted, and only keys without a password can be read",
            ));
        }
        let key = SigningKey::from_pkcs8_pem(text).ok();
        // openssl writes the curve's name in a PEM block of its own before the key.
        let sec1 = text
            .find("-----BEGIN EC PRIVATE KEY")
            .and_then(|start| text.get(start..))
            .unwrap_or_default();
        let key = key.or_else(|| SecretKey::from_sec1_pem(sec1).ok().map(SigningKey::from));
        key.map(Self)
            .ok_or_else(|| refused("holds no private key of the curve P-256 in PEM"))
    }

    /// Signs bytes, and returns the signature as ASN.1 DER. The same key and bytes always give the
    /// same signature (RFC 6979).
    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(bytes);
        signature.to_der().as_bytes().to_vec()
    }

    /// Signs bytes, and returns the signature as ASN.1 DER in base64, which `cosign verify-blob`
    /// and openssl verify.
    pub fn sign_text(&self, bytes: &[u8]) -> String {
        STANDARD.encode(self.sign(bytes))
    }

    /// Signs the image with this reference and digest as cosign does. Returns the payload, and the
    /// signature of the payload in base64 for cosign's annotation.
    pub fn sign_image(&self, reference: &str, digest: &Digest) -> (Vec<u8>, String) {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": reference },
                "image": { "docker-manifest-digest": digest.to_string() },
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let payload = payload.to_string().into_bytes();
        let signature = STANDARD.encode(self.sign(&payload));
        (payload, signature)
    }

    /// Signs an in-toto statement, and returns a DSSE envelope with the statement and its signature
    /// as JSON.
    pub fn sign_statement(&self, statement: &[u8]) -> Vec<u8> {
        let sig = STANDARD.encode(self.sign(&encoded(STATEMENT_MEDIA_TYPE, statement)));
        let envelope = Envelope {
            payload_type: STATEMENT_MEDIA_TYPE.to_owned(),
            payload: STANDARD.encode(statement),
            signatures: vec![EnvelopeSignature {
                keyid: String::new(),
                sig,
            }],
        };
        // Strings can always be serialised.
        serde_json::to_vec(&envelope).unwrap_or_default()
    }
}

impl Key {
    /// Returns the text by which a Sigstore bundle names the public key of this key: the SHA-256
    /// digest of the public key in DER, in base64, as cosign writes it.
    pub fn hint(&self) -> String {
        // A valid key can always be written.
        let public = p256::PublicKey::from(self.0.verifying_key());
        let der = public.to_public_key_der();
        let der = der.map(|der| der.as_bytes().to_vec()).unwrap_or_default();
        STANDARD.encode(Digest::of(&der).bytes())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl PublicKey {
    /// Reads a public key of the curve P-256 from a PEM file, as `cosign generate-key-pair` and
    /// `openssl pkey -pubout` write it. Fails if the file has no such key.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = read(path, PUBLIC_KEY)?;
        VerifyingKey::from_public_key_pem(&text)
            .map(Self)
            .map_err(|_| {
                Failure::project(
                    format!(
                        "{}: holds no public key of the curve P-256 in PEM",
                        path.display()
                    ),
                    PUBLIC_KEY,
                )
            })
    }

    /// Returns true if `signature` is a signature over `bytes` that was made with the private key
    /// of this public key. `signature` is DER in base64.
    pub fn verify(&self, bytes: &[u8], signature: &str) -> bool {
        let der = STANDARD.decode(signature).ok();
        let signature = der.and_then(|der| DerSignature::try_from(der.as_slice()).ok());
        signature.is_some_and(|signature| self.0.verify(bytes, &signature).is_ok())
    }
}

/// Returns the digest of the image that is named in the payload of a cosign signature. Returns
/// `None` if the payload does not name a digest.
pub fn signed_digest(payload: &[u8]) -> Option<Digest> {
    let payload: serde_json::Value = serde_json::from_slice(payload).ok()?;
    Digest::parse(
        payload
            .pointer("/critical/image/docker-manifest-digest")?
            .as_str()?,
    )
}

/// Returns the statement in a DSSE envelope, and true if the private key of `key` signed the
/// envelope. Returns `None` if the envelope cannot be parsed.
pub fn opened(envelope: &[u8], key: Option<&PublicKey>) -> Option<(Vec<u8>, bool)> {
    let envelope: Envelope = serde_json::from_slice(envelope).ok()?;
    let statement = STANDARD.decode(&envelope.payload).ok()?;
    let bytes = encoded(&envelope.payload_type, &statement);
    let is_signed = key.is_some_and(|key| {
        envelope
            .signatures
            .iter()
            .any(|one| key.verify(&bytes, &one.sig))
    });
    Some((statement, is_signed))
}

/// Returns the bytes that the signature of a DSSE envelope covers. They include the type of the
/// payload, so that a statement cannot be mistaken for a payload of another type.
fn encoded(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

/// Reads a file that contains a key. Fails if the file cannot be read, or is larger than
/// `LARGEST_KEY_BYTES`. `fix` is the instruction in the error message.
fn read(path: &Path, fix: &str) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path, error, fix);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST_KEY_BYTES {
        return Err(unreadable(std::io::Error::other(format!(
            "has {size} bytes, which no key has"
        ))));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    use p256::pkcs8::{EncodePrivateKey as _, LineEnding};

    fn secret() -> SecretKey {
        SecretKey::from_slice(&[7; 32]).unwrap()
    }

    fn pkcs8() -> String {
        secret().to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    }

    fn sec1() -> String {
        secret().to_sec1_pem(LineEnding::LF).unwrap().to_string()
    }

    fn public() -> String {
        secret()
            .public_key()
            .to_public_key_pem(LineEnding::LF)
            .unwrap()
    }

    fn keys(private: &str) -> (Key, PublicKey) {
        let dir = tempfile::tempdir().unwrap();
        let (private_path, public_path) = (dir.path().join("k"), dir.path().join("p"));
        std::fs::write(&private_path, private).unwrap();
        std::fs::write(&public_path, public()).unwrap();
        (
            Key::read(&private_path).unwrap(),
            PublicKey::read(&public_path).unwrap(),
        )
    }

    #[test]
    fn image_signature_is_verified_and_stays_the_same() {
        let digest = Digest::of(b"manifest");
        let (key, public) = keys(&pkcs8());
        let (payload, signature) = key.sign_image("r.io/a", &digest);
        assert!(public.verify(&payload, &signature));
        assert_eq!(signed_digest(&payload), Some(digest.clone()));
        let curve =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        for other in [sec1(), format!("{curve}{}", sec1())] {
            assert_eq!(
                keys(&other).0.sign_image("r.io/a", &digest).1,
                signature,
                "the same key in its other form"
            );
        }
        let mut altered = payload.clone();
        altered[20] ^= 1;
        assert!(!public.verify(&altered, &signature) && !public.verify(&payload, "AAAA"));
        assert!(!format!("{key:?}").contains(pkcs8().lines().nth(1).unwrap()));
    }

    #[test]
    fn envelope_is_opened_by_all_and_trusted_with_the_key() {
        let (key, public) = keys(&sec1());
        let envelope = key.sign_statement(b"{}");
        assert_eq!(
            opened(&envelope, Some(&public)),
            Some((b"{}".to_vec(), true))
        );
        assert_eq!(opened(&envelope, None), Some((b"{}".to_vec(), false)));
        let other = String::from_utf8(envelope)
            .unwrap()
            .replace("\"e30=\"", "\"e31=\"");
        assert!(opened(other.as_bytes(), Some(&public)).is_none_or(|(_, is_signed)| !is_signed));
    }

    #[test]
    fn other_keys_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let refuse = |text: &str, part: &str| {
            std::fs::write(&path, text).unwrap();
            let refused = Key::read(&path).unwrap_err();
            assert!(refused.problem.contains(part), "{refused}");
            assert_eq!(refused.exit_code(), 3);
        };
        refuse(
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
            "encrypted",
        );
        refuse(&public(), "no private key");
        assert!(PublicKey::read(&path).is_ok());
        refuse("", "no private key");
        assert!(
            PublicKey::read(&path)
                .unwrap_err()
                .problem
                .contains("no public key")
        );
        refuse(&"x".repeat(1 << 17), "which no key has");
        let missing = PublicKey::read(&dir.path().join("none")).unwrap_err();
        assert!(missing.fix.contains("openssl pkey"), "{missing}");
        assert_eq!(missing.exit_code(), 3);
    }
}
