//! `cargo xtask login`: shows if a registry accepts the credentials, and if they allow to pull from
//! and push to a repository.
//!
//! Owns the text and the JSON object of the result. Must not know how a registry is queried, and
//! must not store anything.

use std::path::PathBuf;

use clap::Args;
use scorebox_workspace::failure::{Failure, Kind};
use serde_json::json;

use crate::format::Format;
use crate::identity::{CREDENTIALS, IdentityArgs};
use crate::manifest_file;
use crate::registry::{self, Grants, Target};

/// Flags of `cargo xtask login`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask login --registry contoso.azurecr.io\n  \
    cargo xtask login --manifest scorebox.toml --output json\n  printf %s \"$PASSWORD\" | cargo xtask login \
    --registry contoso.azurecr.io --repository scoring/digits \\\n      --username ci --password-stdin"))]
pub struct LoginArgs {
    /// Host and port of the registry, e.g. contoso.azurecr.io. Overrides `package.registry`.
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present = "manifest")]
    pub registry: Option<String>,
    /// The repository whose rights are tried. Overrides `package.repository`. Without a repository
    /// only the login is tried.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// A scorebox.toml that names the registry and the repository.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Format of standard output: one line, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Runs `cargo xtask login`: shows if a registry accepts the credentials, and if it grants the
/// rights to pull from and push to the repository. Fails if no registry is named, if the registry
/// refuses the credentials or does not respond, or if a right is missing or could not be asked for.
pub fn run(args: &LoginArgs) -> Result<(), Failure> {
    let manifest = args
        .manifest
        .as_deref()
        .map(manifest_file::read)
        .transpose()?;
    let package = manifest.as_ref().map(|manifest| &manifest.package);
    let registry = args
        .registry
        .as_deref()
        .or(package.and_then(|package| package.registry.as_deref()));
    let repository = args
        .repository
        .as_deref()
        .or(package.map(|package| package.repository.as_str()));
    let Some(registry) = registry else {
        return Err(Failure::project(
            "`package.registry` is not set, so there is nowhere to log in",
            "add --registry HOST[:PORT], or `registry = \"HOST\"` under [package]",
        ));
    };
    // A wrong name is reported before a password is read.
    Target::parse(Some(registry), repository.unwrap_or("any/any"), "latest")?;
    let access = args
        .identity
        .read()?
        .access(registry, args.plain_http, true);
    let grants = registry::grants(&access, repository)?;
    tell(&grants, registry);
    let text = match args.output {
        Format::Text => line(&grants, registry, repository),
        Format::Json => result(&grants, registry, repository).to_string(),
    };
    println!("{text}");
    [grants.pull, grants.push].into_iter().flatten().collect()
}

fn tell(grants: &Grants, registry: &str) {
    match &grants.who {
        Some((origin, way)) => {
            eprintln!("credentials: {origin}");
            eprintln!("answer: {registry} accepts them ({way})");
        }
        None => eprintln!("answer: {registry} wants no login"),
    }
    for (what, verdict) in [("pull", &grants.pull), ("push", &grants.push)] {
        match verdict {
            Some(Ok(())) => eprintln!("{what}: granted"),
            Some(Err(failure)) => {
                eprintln!("{what}: {}: {}", word(verdict.as_ref()), failure.problem)
            }
            None => {}
        }
    }
    eprintln!("nothing is stored: for that run {}", storing(registry));
}

fn storing(registry: &str) -> String {
    match registry.split_once('.') {
        Some((name, rest)) if rest.starts_with("azurecr.") => {
            format!("`docker login {registry}` or `az acr login --name {name}`")
        }
        _ => format!("`docker login {registry}` or `podman login {registry}`"),
    }
}

/// Returns true if the registry granted a right, and false if it refused the right. Returns `None`
/// if the right was not tried, or if the registry could not serve the request.
fn granted(verdict: Option<&Result<(), Failure>>) -> Option<bool> {
    match verdict? {
        Ok(()) => Some(true),
        Err(failure) if failure.kind == Kind::Unavailable => None,
        Err(_) => Some(false),
    }
}

fn word(verdict: Option<&Result<(), Failure>>) -> &'static str {
    match granted(verdict) {
        Some(true) => "granted",
        Some(false) => "denied",
        None => "could not be asked",
    }
}

fn line(grants: &Grants, registry: &str, repository: Option<&str>) -> String {
    match repository {
        Some(name) => {
            format!(
                "{registry}/{name}: pull {}, push {}",
                word(grants.pull.as_ref()),
                word(grants.push.as_ref())
            )
        }
        None => format!("{registry}: accepted"),
    }
}

fn result(grants: &Grants, registry: &str, repository: Option<&str>) -> serde_json::Value {
    json!({
        "registry": registry,
        "repository": repository,
        "credentials": grants.who.as_ref().map(|(origin, _)| origin),
        "scheme": grants.who.as_ref().map(|(_, way)| way),
        "pull": granted(grants.pull.as_ref()),
        "push": granted(grants.push.as_ref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_is_one_line() {
        let refused = Failure::new(Kind::Registry, "no", "ask");
        let grants = Grants {
            who: None,
            pull: Some(Ok(())),
            push: Some(Err(refused)),
        };
        assert_eq!(
            line(&grants, "r.io", Some("a/b")),
            "r.io/a/b: pull granted, push denied"
        );
        let result = result(&grants, "r.io", Some("a/b"));
        assert_eq!(
            (&result["pull"], &result["push"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(
            line(
                &Grants {
                    who: None,
                    pull: None,
                    push: None
                },
                "r.io",
                None
            ),
            "r.io: accepted"
        );
    }

    #[test]
    fn a_registry_that_is_busy_denies_nothing() {
        let busy = Failure::new(Kind::Unavailable, "answered 503", "run the command again");
        let grants = Grants {
            who: None,
            pull: Some(Ok(())),
            push: Some(Err(busy)),
        };
        assert_eq!(
            line(&grants, "r.io", Some("a/b")),
            "r.io/a/b: pull granted, push could not be asked"
        );
        let result = result(&grants, "r.io", Some("a/b"));
        assert_eq!(
            (&result["pull"], &result["push"]),
            (&json!(true), &json!(null))
        );
    }
}
