//! Names of the Azure resources of a deployment, from the flags and their defaults.
//!
//! Owns which rule each name follows, and the defaults. The rules themselves are in
//! `manifest::azure_names`. Must not know commands or templates.

use scorebox_host::manifest::azure_names::{self, Rule};
use scorebox_host::text::{NAME_BYTES, Problem, quoted};
use scorebox_workspace::failure::Failure;

use super::arguments::{DeployArgs, Target};

/// Names of the resources of a deployment, which Azure accepts.
#[derive(Debug)]
pub(super) struct ResourceNames {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) location: String,
    pub(super) storage: String,
    pub(super) plan: String,
    pub(super) sku: String,
    pub(super) environment: String,
}

/// Maximum length of the name of a hosting plan, in characters.
const LONGEST_PLAN: usize = 60;

impl ResourceNames {
    /// Checks the names in the flags, and chooses the names that the flags do not give. Fails if
    /// Azure would refuse a name or the plan's size in the flags.
    pub(super) fn new(args: &DeployArgs) -> Result<Self, Failure> {
        let app = if args.target.is_container_app() {
            &azure_names::CONTAINER_APP
        } else {
            &azure_names::FUNCTION_APP
        };
        let name = checked(app, "--name", &args.name)?;
        let mut short = name.to_ascii_lowercase();
        short.retain(|c| c.is_ascii_alphanumeric());
        let given = |rule: &Rule, flag: &str, value: &Option<String>, default: String| match value {
            Some(value) => checked(rule, flag, value),
            None => Ok(default),
        };
        let begin: String = name.chars().take(LONGEST_PLAN - "-plan".len()).collect();
        let sku = args.sku.clone().unwrap_or_else(|| match args.target {
            Target::Dedicated | Target::PlainWebApp => "B1".to_owned(),
            Target::Premium | Target::ContainerApps | Target::PlainContainerApp => "EP1".to_owned(),
        });
        Ok(Self {
            group: checked(&azure_names::RESOURCE_GROUP, "--group", &args.group)?,
            location: checked(&azure_names::REGION, "--location", &args.location)?,
            storage: given(
                &azure_names::STORAGE_ACCOUNT,
                "--storage-account",
                &args.storage_account,
                format!("{short:.20}data"),
            )?,
            plan: given(
                &azure_names::PLAN,
                "--plan",
                &args.plan,
                format!("{}-plan", begin.trim_end_matches('-')),
            )?,
            sku: size(sku)?,
            environment: given(
                &azure_names::CONTAINER_APP_ENVIRONMENT,
                "--environment",
                &args.environment,
                format!("{name}-env"),
            )?,
            name,
        })
    }
}

/// Checks the name of the Azure Container Registry in `registry`, the host name of a registry.
/// Registries outside of Azure are not checked. Fails if Azure would refuse the name.
pub(super) fn check_registry(registry: &str) -> Result<(), Failure> {
    azure_names::check_registry("image", registry).map_err(refused)
}

fn checked(rule: &Rule, flag: &str, name: &str) -> Result<String, Failure> {
    match rule.check(flag, name) {
        Ok(()) => Ok(name.to_owned()),
        Err(problem) => Err(refused(problem)),
    }
}

/// Checks the size of a hosting plan, such as `EP1`, and returns it. Fails if the size does not
/// consist of 1 to 10 letters and digits.
fn size(sku: String) -> Result<String, Failure> {
    let is_plain = sku.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_plain && (1..=10).contains(&sku.len()) {
        return Ok(sku);
    }
    Err(refused(Problem::new(
        format!(
            "`--sku`: `{}` is not the size of a hosting plan",
            quoted(&sku, NAME_BYTES)
        ),
        "use 1 to 10 letters and digits, e.g. `EP1` or `B1`",
    )))
}

fn refused(Problem { problem, fix }: Problem) -> Failure {
    Failure::project(problem, fix)
}
