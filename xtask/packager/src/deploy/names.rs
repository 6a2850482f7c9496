//! Names that a deployment derives from the names of settings.
//!
//! Owns the form of these names, and makes sure that no two are alike. Must not know commands nor
//! templates.

use std::collections::BTreeSet;

/// Maximum length of a secret's name that every version of `az containerapp` accepts, in
/// characters.
const LONGEST_SECRET: usize = 20;

/// Names that a parameter of the generated Bicep file cannot have: the names that the file uses for
/// itself, and the keywords of Bicep.
const OF_THE_TEMPLATE: &[&str] = &[
    "address",
    "app",
    "assert",
    "existing",
    "extension",
    "false",
    "for",
    "func",
    "if",
    "image",
    "import",
    "in",
    "location",
    "login",
    "metadata",
    "module",
    "name",
    "null",
    "output",
    "param",
    "place",
    "plan",
    "provider",
    "pull",
    "puller",
    "registry",
    "registryIsAbac",
    "registryName",
    "registryPassword",
    "registryUsername",
    "resource",
    "storage",
    "storageConnection",
    "storageName",
    "targetScope",
    "true",
    "type",
    "using",
    "var",
    "with",
];

/// Names of the secrets of a container app. A name consists of lower-case letters, digits and `-`,
/// and has at most 20 characters.
#[derive(Debug)]
pub struct SecretNames(BTreeSet<String>);

impl SecretNames {
    /// Creates a set of secret names that contains the names in `taken`.
    pub fn avoiding(taken: &[&str]) -> Self {
        Self(taken.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Returns a name for the secret that holds an app setting, and adds it to the set. The name
    /// resembles the name of the setting, and no other secret has it.
    pub fn name(&mut self, setting: &str) -> String {
        let name = secret(setting);
        let name = if name.is_empty() {
            "secret".to_owned()
        } else {
            name
        };
        unused(&mut self.0, &name, |number| {
            let end = format!("-{number}");
            let kept: String = name
                .chars()
                .take(LONGEST_SECRET.saturating_sub(end.len()))
                .collect();
            format!("{}{end}", kept.trim_end_matches('-'))
        })
    }
}

/// Names of the parameters of the generated Bicep file. A name consists of letters and digits, and
/// starts with a lower-case letter.
#[derive(Debug)]
pub struct ParameterNames(BTreeSet<String>);

impl ParameterNames {
    /// Creates a set of parameter names that contains the names that the generated Bicep file uses
    /// for itself.
    pub fn of_a_template() -> Self {
        Self(
            OF_THE_TEMPLATE
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        )
    }

    /// Returns a name for the Bicep parameter that holds an app setting, and adds it to the set.
    /// The name resembles the name of the setting, and nothing else in the file has it.
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
        .find(|name| !taken.contains(name))
        .unwrap_or_default();
    taken.insert(name.clone());
    name
}

/// Converts the name of an app setting to the form of a secret's name: lower-case letters, digits
/// and `-`, at most 20 characters.
pub fn secret(setting: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = setting
        .trim_matches('_')
        .chars()
        .map(plain)
        .take(LONGEST_SECRET)
        .collect();
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
    fn names_are_told_apart_when_they_are_cut() {
        let mut names = SecretNames::avoiding(&["registry-password"]);
        let long = "TriggerConnectionString";
        assert_eq!(
            names.name(&format!("{long}__blobServiceUri")),
            "triggerconnectionstr"
        );
        assert_eq!(
            names.name(&format!("{long}__queueServiceUri")),
            "triggerconnections-2"
        );
        assert_eq!(names.name("REGISTRY_PASSWORD"), "registry-password-2");
        assert_eq!(
            (names.name("_").as_str(), names.name("__").as_str()),
            ("secret", "secret-2")
        );
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
        ] {
            assert_eq!(names.name(setting), name);
        }
    }
}
