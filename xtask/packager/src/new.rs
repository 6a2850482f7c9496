//! `scorebox new`: creates the folder of a scorer from a template.
//!
//! Owns the flags, the choice of the template and the messages. Must not know the files of any
//! template.

mod project;
mod templates;

use std::path::{Path, PathBuf};

use clap::Args;
use scorebox_host::manifest::MANIFEST_FILE;
use scorebox_workspace::failure::Failure;
use scorebox_workspace::installation;
use scorebox_workspace::workspace::shown;

use self::templates::{TEMPLATES, Template};
use crate::shell;

/// Flags of `scorebox new`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo xtask new --list\n  cargo xtask new risk --template python"
)]
pub struct NewArgs {
    /// Path of the folder to create. Its last part becomes the name of the scorer, e.g. risk.
    #[arg(value_name = "NAME", required_unless_present = "list")]
    pub folder: Option<PathBuf>,
    /// The template to start from.
    #[arg(
        long,
        value_name = "TEMPLATE",
        required_unless_present = "list",
        value_parser = template
    )]
    pub template: Option<&'static Template>,
    /// Print the templates, one in a line, and create nothing.
    #[arg(long, conflicts_with_all = ["folder", "template"])]
    pub list: bool,
}

/// Parses the name of a template on the command line. Fails if there is no template with this name.
fn template(name: &str) -> Result<&'static Template, UnknownTemplate> {
    TEMPLATES
        .iter()
        .find(|template| template.name == name)
        .ok_or(UnknownTemplate)
}

/// Error for a text that is not the name of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("choose one of {}", templates::names())]
struct UnknownTemplate;

/// Runs `scorebox new`: prints the templates, or creates the folder of a scorer. Fails if the name
/// of the folder cannot be the name of a scorer, or if the folder contains files or cannot be
/// written.
pub fn run(args: &NewArgs) -> Result<(), Failure> {
    let (Some(folder), Some(template)) = (&args.folder, args.template) else {
        print!("{}", list());
        return Ok(());
    };
    let written = project::create(template, folder)?;
    for file in &written {
        eprintln!("created  {}", shown(&folder.join(file)));
    }
    if let Some(needs) = template.needs {
        eprintln!("needs    {needs}");
    }
    eprintln!("next: {}", next(folder));
    println!("{}", folder.display());
    Ok(())
}

/// Creates the folder of a scorer from the template with the name `name`. Fails if there is no such
/// template, if the name of the folder cannot be the name of a scorer, or if the folder contains
/// files or cannot be written.
pub fn create(name: &str, folder: &Path) -> Result<(), Failure> {
    let template = template(name)
        .map_err(|unknown| Failure::other(format!("no template `{name}`"), unknown.to_string()))?;
    project::create(template, folder).map(drop)
}

/// Returns the command that packages the scorer in a new folder.
fn next(folder: &Path) -> String {
    let program = installation::program();
    let manifest = shell::path(&folder.join(MANIFEST_FILE));
    format!("{program} package --manifest {manifest}")
}

/// Returns a table of the templates: the name, the description, and the programs that building
/// needs.
fn list() -> String {
    let width = TEMPLATES.iter().map(|one| one.name.len()).max();
    let width = width.unwrap_or_default();
    let lines = TEMPLATES.iter().map(|template| {
        let needs = template
            .needs
            .map_or_else(String::new, |needs| format!("; needs {needs}"));
        format!("{:width$}  {}{needs}\n", template.name, template.about)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_a_line_for_each_template() {
        let list = list();
        assert_eq!(list.lines().count(), TEMPLATES.len());
        for one in TEMPLATES {
            assert!(
                list.lines().any(|line| line.starts_with(one.name)),
                "{list}"
            );
            assert_eq!(template(one.name).unwrap().name, one.name);
        }
        let unknown = template("cobol").unwrap_err().to_string();
        assert!(unknown.contains(TEMPLATES[0].name), "{unknown}");
    }
}
