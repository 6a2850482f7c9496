//! Names of secrets and of Bicep parameters that a deployment derives from the names of app
//! settings.
//!
//! Owns the form of these names, and makes sure that no two parameters are alike. Two secrets may
//! get the same name, which `deploy` refuses. Must not know commands or templates.

use std::collections::BTreeSet;

use scorebox_workspace::digest::Digest;

use super::deployment::{OWN_STORAGE_SECRET, REGISTRY_PASSWORD};

/// Maximum length of a secret's name that every version of `az containerapp` accepts, in
/// characters.
const LONGEST_SECRET: usize = 20;

/// Number of hex digits of the hash at the end of a secret's name.
const HASH: usize = 7;

/// Names of the secrets that a deployment itself adds to an app: for the app's own storage account,
/// and for the registry.
const OF_THE_APP: [&str; 2] = [OWN_STORAGE_SECRET, REGISTRY_PASSWORD];

/// Names that a parameter of the generated Bicep file cannot have: the names that the file uses for
/// itself, and the keywords, the types and common functions of Bicep. Azure ignores the case of the
/// names.
const OF_THE_TEMPLATE: &[&str] = &[
    "address",
    "any",
    "app",
    "array",
    "assert",
    "az",
    "bool",
    "concat",
    "contains",
    "deployment",
    "environment",
    "existing",
    "extension",
    "extensionResourceId",
    "false",
    "for",
    "format",
    "func",
    "guid",
    "if",
    "image",
    "import",
    "in",
    "int",
    "json",
    "length",
    "list",
    "listKeys",
    "location",
    "login",
    "managementGroup",
    "metadata",
    "module",
    "name",
    "null",
    "object",
    "open",
    "output",
    "param",
    "place",
    "plan",
    "provider",
    "pull",
    "puller",
    "reference",
    "registry",
    "registryIsAbac",
    "registryName",
    "registryPassword",
    "registryUsername",
    "resource",
    "resourceGroup",
    "resourceId",
    "storage",
    "storageConnection",
    "storageName",
    "string",
    "subscription",
    "subscriptionResourceId",
    "sys",
    "targetScope",
    "tenant",
    "toLower",
    "true",
    "type",
    "uniqueString",
    "using",
    "var",
    "with",
];

/// Returns the name of the secret in which a container app keeps an app setting: lower-case
/// letters, digits and `-`, at most 20 characters.
///
/// The name follows from the name of the setting alone. If it depended on other settings, the name
/// could pass from a removed setting to another one, which would then have the removed setting's
/// value. The name ends with a part of a hash if the setting's name is too long, does not start
/// with a letter, or cannot be derived from the secret's name, or if a secret that the deployment
/// itself adds has the name already.
pub fn secret(setting: &str) -> String {
    let plain = plain_secret(setting);
    let is_clear = plain.len() <= LONGEST_SECRET
        && plain.starts_with(|c: char| c.is_ascii_lowercase())
        && plain.to_ascii_uppercase().replace('-', "_") == setting;
    if is_clear && !OF_THE_APP.contains(&plain.as_str()) {
        return plain;
    }
    let hash = Digest::of(setting.as_bytes()).to_string();
    let hash: String = hash.chars().skip("sha256:".len()).take(HASH).collect();
    let kept: String = plain.chars().take(LONGEST_SECRET - HASH - 1).collect();
    match kept.trim_matches('-') {
        "" => format!("secret-{hash}"),
        kept => format!("{kept}-{hash}"),
    }
}

/// Names that are taken in the generated Bicep file, in lower case: those of its parameters, and
/// those that a parameter cannot have.
#[derive(Debug)]
pub struct ParameterNames(BTreeSet<String>);

impl ParameterNames {
    /// Creates a set of names that contains those that a parameter of the generated Bicep file
    /// cannot have.
    pub fn of_a_template() -> Self {
        Self(
            OF_THE_TEMPLATE
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        )
    }

    /// Returns a name for the Bicep parameter that holds an app setting, and adds it to the set.
    /// The name consists of letters and digits, starts with a lower-case letter, and resembles the
    /// name of the setting. Nothing else in the file has the name.
    pub fn name(&mut self, setting: &str) -> String {
        let name = parameter(setting);
        let name = if name.starts_with(|c: char| c.is_ascii_lowercase()) {
            name
        } else {
            format!("setting{name}")
        };
        unused(&mut self.0, &name, |number| format!("{name}{number}"))
    }
}

fn unused(taken: &mut BTreeSet<String>, name: &str, numbered: impl Fn(u32) -> String) -> String {
    let names = std::iter::once(name.to_owned()).chain((2..).map(numbered));
    let name = names
        .into_iter()
        .find(|name| !taken.contains(&name.to_ascii_lowercase()))
        .unwrap_or_default();
    taken.insert(name.to_ascii_lowercase());
    name
}

/// Converts the name of an app setting to lower-case letters, digits and `-`, which a secret's name
/// may have. The result can be empty, too long, or equal for two settings.
fn plain_secret(setting: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = setting.chars().map(plain).collect();
    name.trim_matches('-').to_owned()
}

fn parameter(setting: &str) -> String {
    let mut upper = false;
    let mut parameter = String::new();
    for c in setting.chars() {
        if !c.is_ascii_alphanumeric() {
            upper = !parameter.is_empty();
        } else if parameter.is_empty() {
            parameter.push(c.to_ascii_lowercase());
        } else if setting.chars().any(|c| c.is_ascii_lowercase()) {
            parameter.push(c);
        } else {
            parameter.push(if std::mem::take(&mut upper) {
                c
            } else {
                c.to_ascii_lowercase()
            });
        }
    }
    parameter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_secret_follows_from_its_setting_alone() {
        assert_eq!(secret("SCOREBOX_KEY_1"), "scorebox-key-1");
        assert_eq!(secret("SCOREBOX_REDIS_URL"), "scorebox-redis-url");
        let long = "TriggerConnectionString";
        let names = [
            format!("{long}__blobServiceUri"),
            format!("{long}__queueServiceUri"),
            long.to_owned(),
            "SCORING_SERVICE_KEY_FIRST".to_owned(),
            "SCORING_SERVICE_KEY_SECOND".to_owned(),
            "REGISTRY_PASSWORD".to_owned(),
            "AZUREWEBJOBSSTORAGE".to_owned(),
            "BUS".to_owned(),
            "Bus".to_owned(),
            "BUS_".to_owned(),
            "B_US".to_owned(),
            "_".to_owned(),
            "__".to_owned(),
            "_1".to_owned(),
        ];
        let mut secrets = BTreeSet::from(OF_THE_APP.map(str::to_owned));
        for name in &names {
            let secret = secret(name);
            let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(
                secret.len() <= LONGEST_SECRET && secret.bytes().all(is_plain),
                "{secret}"
            );
            assert!(
                secret.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && secret.ends_with(|c: char| c.is_ascii_alphanumeric()),
                "{secret}"
            );
            assert!(secrets.insert(secret), "{name}");
        }
    }

    #[test]
    fn parameters_are_identifiers_of_their_own() {
        let mut names = ParameterNames::of_a_template();
        for (setting, name) in [
            ("SCOREBOX_REDIS_URL", "scoreboxRedisUrl"),
            ("ScoreboxRedisUrl", "scoreboxRedisUrl2"),
            ("NAME", "name2"),
            ("Image", "image2"),
            ("_1", "setting1"),
            ("_", "setting"),
            ("JSON", "json2"),
            ("RESOURCE_GROUP", "resourceGroup2"),
            ("RESOURCEGROUP", "resourcegroup3"),
            ("scoreboxREDISurl", "scoreboxREDISurl3"),
        ] {
            assert_eq!(names.name(setting), name);
        }
    }
}
