//! Check of the signatures of an image: whether they are about the image, and were made with the
//! given key.
//!
//! Owns the two formats in which cosign signs an image: Sigstore bundles among the referrers, and
//! the older format under a tag. Must not know any other artifact.

use scorebox_workspace::digest::Digest;
use scorebox_workspace::failure::Failure;

use super::super::documents;
use super::super::report::{Report, Verdict};
use super::super::store::{Store, is_of_network};
use super::part::Part;
use super::{absent, parts};
use crate::image::attestation::signature_tag;
use crate::signing::{PublicKey, signed_digest};
use crate::sigstore_bundle::{self, Signer};

/// Facts about the signatures of an image that were read so far.
#[derive(Debug, Default)]
struct Signed {
    /// True if a signature about the image was made with the given key.
    is_by_key: bool,
    /// True if one of the signatures was made with a key, which may differ from the given key.
    /// Anything under the tag of cosign's older format counts as such a signature.
    has_key: bool,
    /// True if one of the signatures was made with a certificate. Such a signature is not verified
    /// here.
    has_certificate: bool,
}

/// Returns true if a bundle holds the signature of an image. Bundles of other tools can hold other
/// statements about the image.
pub(super) fn is_signature(bundle: &Part) -> bool {
    sigstore_bundle::open(&bundle.bytes, None).is_some()
}

/// Checks the signatures of the image with the digest `image`, and adds the results to the report.
/// `bundles` are the bundles among the image's referrers that hold signatures. If there are
/// signatures of several keys, one with the given key is enough. Returns true if the image has a
/// signature that `key` verifies, and false if `key` is `None`. Fails only if the registry does not
/// respond.
pub(super) fn examine(
    store: &Store,
    report: &mut Report,
    bundles: &[Part],
    image: &Digest,
    key: Option<&PublicKey>,
) -> Result<bool, Failure> {
    let mut signed = Signed::default();
    for bundle in bundles {
        add_bundle(report, &mut signed, bundle, image, key);
    }
    add_tagged(store, report, &mut signed, image, key)?;
    if !signed.has_key && !signed.has_certificate {
        report.note("signature", "", absent(key));
        return Ok(false);
    }
    let verdict = match key {
        Some(_) if signed.is_by_key => Verdict::Good,
        Some(_) if signed.has_key => Verdict::Wrong("was not made with this key".to_owned()),
        Some(_) => Verdict::Wrong(
            "was made with a certificate and not with this key; `cosign verify` checks it"
                .to_owned(),
        ),
        None if signed.has_key => Verdict::Open("signed; give --key to check it".to_owned()),
        None => Verdict::Open(
            "signed with a certificate, which is not checked; use `cosign verify`".to_owned(),
        ),
    };
    report.note("signature of the image", "", verdict);
    Ok(signed.is_by_key)
}

/// Checks the signature in a Sigstore bundle, and adds the result to the report and to `signed`.
fn add_bundle(
    report: &mut Report,
    signed: &mut Signed,
    bundle: &Part,
    image: &Digest,
    key: Option<&PublicKey>,
) {
    if let Err(reason) = documents::read(&bundle.bytes) {
        report.note("bundle", "", Verdict::Wrong(reason.to_string()));
        return;
    }
    let Some(signature) = sigstore_bundle::open(&bundle.bytes, key) else {
        return;
    };
    let is_about_image = signature.images.contains(image);
    report.check("bundle is about the image", is_about_image, || {
        "it is about another one".to_owned()
    });
    if !is_about_image {
        return;
    }
    match signature.signer {
        Signer::GivenKey => {
            signed.has_key = true;
            signed.is_by_key = true;
        }
        Signer::SomeKey => signed.has_key = true,
        Signer::Certificate => signed.has_certificate = true,
    }
}

/// Checks the signatures in cosign's older format, which are under a tag of the repository, and
/// adds the results to the report and to `signed`. Fails only if the registry does not respond.
fn add_tagged(
    store: &Store,
    report: &mut Report,
    signed: &mut Signed,
    image: &Digest,
    key: Option<&PublicKey>,
) -> Result<(), Failure> {
    let found = match store.find(&signature_tag(image)) {
        Ok(found) => found,
        Err(failure) if is_of_network(&failure) => return Err(failure),
        Err(failure) => {
            report.note("signature", "", Verdict::Wrong(failure.problem));
            return Ok(());
        }
    };
    let Some(bytes) = found else {
        return Ok(());
    };
    let manifest = match documents::read(&bytes) {
        Ok(manifest) => manifest,
        Err(reason) => {
            report.note("signature", "", Verdict::Wrong(reason.to_string()));
            return Ok(());
        }
    };
    let parts = parts(store, report, "signature", &manifest)?;
    let speaks = |part: &&Part| signed_digest(&part.bytes).as_ref() == Some(image);
    report.check(
        "signature is about the image",
        parts.iter().any(|part| speaks(&part)),
        || "it is about another one".to_owned(),
    );
    signed.has_key = true;
    let is_by_key = |part: &Part| {
        let signature = part.signature.as_deref();
        key.zip(signature)
            .is_some_and(|(key, signature)| key.verify(&part.bytes, signature))
    };
    signed.is_by_key |= parts.iter().filter(speaks).any(is_by_key);
    Ok(())
}
