//! References of images: `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`.
//!
//! Owns the division of a reference into its parts. Must not know which characters a part may
//! have.

use scorebox_text::{Problem, REASON_BYTES, quoted};

use super::image_names;

/// Host name by which references of images name Docker Hub.
const DOCKER_HUB: &str = "docker.io";
/// Folder in which Docker Hub keeps the repositories that have no folder of their own.
const DOCKER_HUB_FOLDER: &str = "library";

/// Reference of an image, in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Host of the registry, with its port if the reference has one.
    pub registry: String,
    /// Name of the repository in the registry.
    pub repository: String,
    /// Tag of the image, or `None` if the reference has no tag.
    pub tag: Option<String>,
    /// Digest of the image's manifest, `sha256:` and 64 hexadecimal digits. `None` if the reference
    /// has no digest.
    pub digest: Option<String>,
}

/// Parses the reference of an image. `what` says what the text is, for the error, and `fix` is the
/// instruction in the error for a reference that does not name its registry.
///
/// # Errors
/// Fails if the text begins with a scheme such as `https://`, or if a part of the reference has a
/// wrong form. The error names this part. Also fails if the reference does not name its registry,
/// because it would be read as an image on Docker Hub.
pub fn parse(what: &str, text: &str, fix: &str) -> Result<ImageReference, Problem> {
    let shown = quoted(text, REASON_BYTES);
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(Problem::new(
            format!(
                "{what} `{shown}` begins with `{}://`",
                quoted(scheme, REASON_BYTES)
            ),
            format!("leave it out: `{}`", quoted(rest, REASON_BYTES)),
        ));
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let Some((registry, path)) = name.split_once('/').filter(|(host, _)| is_host(host)) else {
        return Err(on_docker_hub(what, name, &shown, fix));
    };
    // A `:` before the last slash is not the start of a tag.
    let (repository, tag) = match path.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (path, None),
    };
    let part = |name: &str| format!("{what} `{shown}`: {name}");
    image_names::registry(&part("registry"), registry)?;
    image_names::repository(&part("repository"), repository)?;
    if let Some(tag) = tag {
        image_names::tag(&part("tag"), tag)?;
    }
    if let Some(digest) = digest {
        image_names::digest(&part("digest"), digest)?;
    }
    let is_docker_hub = [DOCKER_HUB, "index.docker.io"].contains(&registry);
    Ok(ImageReference {
        registry: if is_docker_hub { DOCKER_HUB } else { registry }.to_owned(),
        repository: if is_docker_hub && !repository.contains('/') {
            format!("{DOCKER_HUB_FOLDER}/{repository}")
        } else {
            repository.to_owned()
        },
        tag: tag.map(str::to_owned),
        digest: digest.map(str::to_owned),
    })
}

/// Returns true if the first part of a reference is a host and not a part of a repository's name,
/// by the rule of Docker.
fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':'])
}

/// Returns the problem of a reference that does not name its registry.
fn on_docker_hub(what: &str, name: &str, shown: &str, fix: &str) -> Problem {
    if name.is_empty() {
        return Problem::new(format!("{what} `{shown}` names no image"), fix);
    }
    let folder = if name.contains('/') {
        String::new()
    } else {
        format!("{DOCKER_HUB_FOLDER}/")
    };
    let tag = if shown.contains([':', '@']) {
        ""
    } else {
        ":latest"
    };
    Problem::new(
        format!("{what} `{shown}` would be read as `{DOCKER_HUB}/{folder}{shown}{tag}`"),
        fix,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_its_parts() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let check = |text: &str, expected: [Option<&str>; 4]| {
            let found = parse("it", text, "").unwrap();
            let ImageReference {
                registry,
                repository,
                tag,
                digest,
            } = found;
            assert_eq!(
                [Some(registry), Some(repository), tag, digest],
                expected.map(|part| part.map(str::to_owned)),
                "{text}"
            );
        };
        check("r.io/a/b:4", [Some("r.io"), Some("a/b"), Some("4"), None]);
        check(
            &format!("127.0.0.1:5000/b@{digest}"),
            [Some("127.0.0.1:5000"), Some("b"), None, Some(&digest)],
        );
        check(
            &format!("[::1]:5000/b:4@{digest}"),
            [Some("[::1]:5000"), Some("b"), Some("4"), Some(&digest)],
        );
        check("localhost/b", [Some("localhost"), Some("b"), None, None]);
        let library = [Some("docker.io"), Some("library/debian"), None, None];
        check("docker.io/debian", library);
        check("index.docker.io/debian", library);
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        let two = format!("r.io/b@sha256:{}@x", "0a".repeat(32));
        for (text, problem, fix) in [
            ("", "it `` names no image", "WHOLE"),
            (
                "debian",
                "read as `docker.io/library/debian:latest`",
                "WHOLE",
            ),
            (
                "contoso/risk:1",
                "read as `docker.io/contoso/risk:1`",
                "WHOLE",
            ),
            (
                "https://r.io/b",
                "begins with `https://`",
                "leave it out: `r.io/b`",
            ),
            (
                "r.io:x/b",
                "registry `r.io:x` has the port `x`",
                "1 to 65535",
            ),
            ("r_1.io/b", "registry `r_1.io` has `_`", "host name"),
            ("r.io/", "repository `` has 0 characters", "1 to 255"),
            (
                "r.io/Risk:1",
                "repository `Risk` has the capital letter `R`",
                "`risk`",
            ),
            ("r.io/a:1/b", "repository `a:1/b` has `:`", "without a tag"),
            ("r.io/b:", "tag `` has 0 characters", "1 to 128"),
            ("r.io/b:1+2", "tag `1+2` has `+`", "write `1_2`"),
            (
                "r.io/b@",
                "digest `` does not name its algorithm",
                "sha256:",
            ),
            ("r.io/b@sha256:1", "digest `sha256:1` has 1 digits", "64"),
            (two.as_str(), "digest", "64"),
        ] {
            let refused = parse("it", text, "WHOLE").unwrap_err();
            assert!(refused.problem.contains(problem), "{text:?}: {refused}");
            assert!(refused.fix.contains(fix), "{text:?}: {refused}");
        }
    }
}
