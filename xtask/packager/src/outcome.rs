//! The result of packaging or pushing an image, as text for people and as JSON for scripts.
//!
//! Owns the text table, the sentence about the push, and the JSON object. Must not know how the
//! image was made or sent.

use serde_json::json;

use crate::format::Format;
use crate::image::layout::{Place, WrittenImage};
use crate::registry::Sent;

/// The result of packaging or pushing an image.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The image that was written or pushed.
    pub image: &'a WrittenImage,
    /// Host and port of the registry. `None` if no registry is known.
    pub registry: Option<&'a str>,
    /// Name of the image's repository.
    pub repository: &'a str,
    /// Tag of the image in its repository.
    pub tag: &'a str,
    /// Result of the push for each blob of the image, or the expected result in a dry run. `None`
    /// if no push was requested.
    pub sent: Option<&'a [Sent]>,
    /// True if nothing was sent because of `--dry-run`.
    pub dry_run: bool,
}

impl Outcome<'_> {
    /// Returns the reference of the image: `REGISTRY/REPOSITORY@DIGEST`. If no registry is known,
    /// the reference is `REPOSITORY@DIGEST`.
    pub fn reference(&self) -> String {
        match self.registry {
            Some(registry) => format!("{registry}/{}@{}", self.repository, self.image.digest),
            None => format!("{}@{}", self.repository, self.image.digest),
        }
    }

    /// Returns a sentence that names the registry to which the image was pushed, or would be pushed
    /// without `--dry-run`. Returns `None` if no push was requested.
    pub fn place(&self) -> Option<String> {
        let registry = self.registry?;
        self.sent?;
        Some(if self.dry_run {
            format!("nothing was sent to {registry}; leave out --dry-run to send it")
        } else {
            format!("pushed: {registry}/{}:{}", self.repository, self.tag)
        })
    }

    /// Returns a text table with a row for each blob and attached artifact of the image. If a push
    /// was requested, the table also states how many bytes were sent and skipped and, for an image
    /// on a base image, copied and mounted.
    pub fn table(&self) -> String {
        let attached = self
            .image
            .attachments
            .iter()
            .map(|one| format!("{:<10} {} next to it\n", one.name, one.digest));
        table(self.image, self.sent, self.dry_run) + &attached.collect::<String>()
    }

    /// Prints the result to standard output: the image's reference as text, or everything as a JSON
    /// object.
    pub fn print(&self, format: Format) {
        let text = match format {
            Format::Text => self.reference(),
            Format::Json => self.json().to_string(),
        };
        println!("{text}");
    }

    fn json(&self) -> serde_json::Value {
        let blobs = self.image.blobs.iter().enumerate().map(|(index, blob)| {
            let sent = self.sent.and_then(|sent| sent.get(index)).copied();
            json!({
                "name": blob.name,
                "mediaType": blob.media_type,
                "digest": blob.digest.to_string(),
                "size": blob.size,
                "inLayout": blob.place == Place::Layout,
                "outcome": sent.map(word),
                "sent": sent.filter(|_| !self.dry_run).map(|sent| sent == Sent::Uploaded),
            })
        });
        let attachments = self.image.attachments.iter();
        let attachments = attachments.map(
            |one| json!({ "name": one.name, "digest": one.digest.to_string(), "tag": one.tag }),
        );
        json!({
            "reference": self.reference(),
            "digest": self.image.digest.to_string(),
            "tag": self.tag,
            "layout": self.image.dir.display().to_string(),
            "dryRun": self.dry_run,
            "pushed": self.sent.is_some() && !self.dry_run,
            "blobs": blobs.collect::<Vec<_>>(),
            "attachments": attachments.collect::<Vec<_>>(),
        })
    }
}

/// Returns a text table with a row for each blob of an image. `sent` has the result of the push for
/// each blob, or is `None` if no push was requested. If there are results, a last row has the sums
/// of the blobs' sizes. If `dry_run` is true, the rows say what would be sent.
pub fn table(image: &WrittenImage, sent: Option<&[Sent]>, dry_run: bool) -> String {
    let mut text = String::new();
    for (index, blob) in image.blobs.iter().enumerate() {
        let fate = sent
            .and_then(|sent| sent.get(index))
            .map_or_else(String::new, |sent| {
                let would = if dry_run && *sent != Sent::Skipped && *sent != Sent::Elsewhere {
                    "to be "
                } else {
                    ""
                };
                let more = match sent {
                    Sent::Skipped => ": already there",
                    Sent::Elsewhere => ": the image's runtime fetches it",
                    _ => "",
                };
                format!("  {would}{}{more}", word(*sent))
            });
        text.push_str(&format!(
            "{:<10} {} {:>12} bytes{fate}\n",
            blob.name, blob.digest, blob.size
        ));
    }
    if let Some(sent) = sent {
        let sum = |wanted: Sent| -> u64 {
            let blobs = image
                .blobs
                .iter()
                .zip(sent)
                .filter(|(_, sent)| **sent == wanted);
            blobs.map(|(blob, _)| blob.size).sum()
        };
        let would = if dry_run { "to be " } else { "" };
        text.push_str(&format!("{would}sent {} bytes", sum(Sent::Uploaded)));
        if image.blobs.iter().any(|blob| blob.of_base) {
            text.push_str(&format!(
                ", copied {} bytes, mounted {} bytes",
                sum(Sent::Copied),
                sum(Sent::Mounted)
            ));
        }
        text.push_str(&format!(", skipped {} bytes\n", sum(Sent::Skipped)));
    }
    text
}

/// Returns the word for the result of the push of a blob, as the table and the JSON object show it.
fn word(sent: Sent) -> &'static str {
    match sent {
        Sent::Skipped => "skipped",
        Sent::Mounted => "mounted",
        Sent::Copied => "copied",
        Sent::Uploaded => "sent",
        Sent::Elsewhere => "elsewhere",
    }
}
