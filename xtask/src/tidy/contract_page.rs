//! The reference of the contract on the pages of `wit/`, written from the WIT files.
//!
//! Owns the layout of interfaces, types and functions on a page. Must not know what the contract
//! says, nor how a type is spelled: that is `contract_page/wit_type.rs`.

mod wit_type;

use std::collections::BTreeMap;
use std::path::Path;

use scorebox_workspace::failure::Failure;
use wit_parser::{
    Docs, Function, Interface, InterfaceId, PackageId, Resolve, Stability, Type, TypeDef,
    TypeDefKind, TypeOwner,
};

use super::contract;
use super::finding::Finding;
use super::generated_part::GeneratedPart;

const CONTRACT: GeneratedPart = GeneratedPart {
    page: "wit/README.md",
    part: "reference",
    problem: "the reference of the contract differs from wit/*.wit",
};

const CAPABILITIES: GeneratedPart = GeneratedPart {
    page: "wit/capabilities.md",
    part: "reference",
    problem: "the reference of the capabilities differs from wit/*.wit",
};

const STANDARDS: GeneratedPart = GeneratedPart {
    page: "wit/standards.md",
    part: "reference",
    problem: "the reference of the standards differs from wit/deps/*.wit",
};

/// Compares the generated references on the pages of `wit/` with the WIT files. Returns a finding
/// for each difference. Fails if the WIT cannot be parsed.
pub fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let References {
        contract,
        capabilities,
        standards,
    } = references(root)?;
    let findings = [
        CONTRACT.check(root, &contract),
        CAPABILITIES.check(root, &capabilities),
        STANDARDS.check(root, &standards),
    ];
    Ok(findings.into_iter().flatten().collect())
}

/// Generates the references of the contract, of its capabilities and of the standards from the WIT
/// files, and writes them into the pages of `wit/`. Fails if the WIT cannot be parsed, or if a page
/// cannot be written.
pub fn bless(root: &Path) -> Result<(), Failure> {
    let References {
        contract,
        capabilities,
        standards,
    } = references(root)?;
    CONTRACT.bless(root, &contract)?;
    CAPABILITIES.bless(root, &capabilities)?;
    STANDARDS.bless(root, &standards)
}

/// Names of the contract's interfaces that scorers import. Their reference is on the page
/// `wit/capabilities.md`, and that of all other interfaces of the contract on `wit/README.md`.
const IMPORTED: [&str; 5] = ["cache", "graphs", "metrics", "model", "redis"];

/// References of WIT interfaces in Markdown, one for each page of `wit/`.
struct References {
    /// Interfaces of the contract that a scorer exports, and the types that they share.
    contract: String,
    /// Interfaces of the contract that a scorer imports.
    capabilities: String,
    /// Interfaces of the packages in `wit/deps`.
    standards: String,
}

/// Generates the references for all pages from the WIT files below `root`, the workspace's root.
/// Fails if the WIT cannot be parsed.
fn references(root: &Path) -> Result<References, Failure> {
    // Unstable items are on the page, too.
    let resolve = Resolve {
        all_features: true,
        ..Resolve::default()
    };
    let (resolve, main) = contract::parse(root, resolve)?;
    let is_imported = |interface: &Interface| {
        let name = interface.name.as_deref();
        name.is_some_and(|name| IMPORTED.contains(&name))
    };
    let is_own = |interface: &Interface| interface.package == Some(main);
    let of = |is_wanted: &dyn Fn(&Interface) -> bool| reference(&resolve, main, is_wanted);
    Ok(References {
        contract: of(&|interface| is_own(interface) && !is_imported(interface)),
        capabilities: of(&|interface| is_own(interface) && is_imported(interface)),
        standards: of(&|interface| !is_own(interface)),
    })
}

/// Returns a reference in Markdown of the interfaces for which `is_wanted` returns true, sorted by
/// their names. The names of interfaces that are not in the package `main` include the package.
fn reference(resolve: &Resolve, main: PackageId, is_wanted: impl Fn(&Interface) -> bool) -> String {
    let interfaces: BTreeMap<String, InterfaceId> = resolve
        .interfaces
        .iter()
        .filter(|(_, interface)| interface.package.is_some() && is_wanted(interface))
        .filter_map(|(id, _)| Some((resolve.id_of(id)?, id)))
        .collect();
    let mut page = Page {
        resolve,
        blocks: Vec::new(),
    };
    for (name, id) in &interfaces {
        let Some(interface) = resolve.interfaces.get(*id) else {
            continue;
        };
        let short = interface
            .name
            .as_deref()
            .filter(|_| interface.package == Some(main));
        let without_version = name.split_once('@').map_or(name.as_str(), |(name, _)| name);
        page.add_interface(short.unwrap_or(without_version), *id, interface);
    }
    page.blocks.join("\n\n") + "\n"
}

/// A reference of interfaces in Markdown that is being written.
struct Page<'a> {
    resolve: &'a Resolve,
    /// Headings, paragraphs, tables and code blocks of the reference. Blank lines separate them.
    blocks: Vec<String>,
}

impl Page<'_> {
    fn add_interface(&mut self, name: &str, id: InterfaceId, interface: &Interface) {
        self.blocks.push(format!("### Interface `{name}`"));
        self.add_docs(&interface.docs, &interface.stability);
        let mut own = Vec::new();
        let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (type_name, type_id) in &interface.types {
            let Some(definition) = self.resolve.types.get(*type_id) else {
                continue;
            };
            match self.source(definition, id) {
                Some(source) => {
                    let types = used.entry(source).or_default();
                    types.push(format!("`{type_name}`"));
                }
                None => own.push((*type_id, definition)),
            }
        }
        for (source, mut types) in used {
            types.sort();
            let types = types.join(", ");
            self.blocks.push(format!("Uses {types} of `{source}`."));
        }
        // The page lists types in the order of the WIT file, which is not the order of the parser.
        own.sort_by_key(|(_, definition)| {
            let span = definition.span;
            span.is_known().then(|| span.start())
        });
        for (type_id, definition) in own {
            self.add_type(name, definition);
            let functions = interface.functions.values();
            for function in functions.filter(|function| function.kind.resource() == Some(type_id)) {
                let resource = definition.name.as_deref().unwrap_or_default();
                self.add_function(&format!("{name}.{resource}"), function);
            }
        }
        let functions = interface.functions.values();
        for function in functions.filter(|function| function.kind.resource().is_none()) {
            self.add_function(name, function);
        }
    }

    /// Returns the name of the interface from which the interface `user` takes a type with `use`.
    /// Returns `None` if `user` defines the type itself.
    fn source(&self, definition: &TypeDef, user: InterfaceId) -> Option<String> {
        let TypeDefKind::Type(Type::Id(source)) = definition.kind else {
            return None;
        };
        match self.resolve.types.get(source)?.owner {
            TypeOwner::Interface(owner) if owner != user => self.resolve.id_of(owner),
            _ => None,
        }
    }

    fn add_type(&mut self, interface: &str, definition: &TypeDef) {
        let name = definition.name.as_deref().unwrap_or_default();
        let (kind, body) = match &definition.kind {
            TypeDefKind::Record(record) => {
                let rows = record.fields.iter().map(|field| {
                    let ty = wit_type::name(self.resolve, field.ty);
                    [code(&field.name), code(&ty), line(&field.docs)]
                });
                ("Record", Some(table(["field", "type", "meaning"], rows)))
            }
            TypeDefKind::Variant(variant) => {
                let rows = variant.cases.iter().map(|case| {
                    let held = case.ty.map(|ty| code(&wit_type::name(self.resolve, ty)));
                    [code(&case.name), held.unwrap_or_default(), line(&case.docs)]
                });
                ("Variant", Some(table(["case", "holds", "meaning"], rows)))
            }
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter().map(|case| (&case.name, &case.docs));
                ("Enum", Some(names("case", cases)))
            }
            TypeDefKind::Flags(flags) => {
                let flags = flags.flags.iter().map(|flag| (&flag.name, &flag.docs));
                ("Flags", Some(names("flag", flags)))
            }
            TypeDefKind::Resource => ("Resource", None),
            other => {
                let form = wit_type::form(self.resolve, other);
                ("Type", Some(wit(&format!("type {name} = {form}"))))
            }
        };
        self.blocks
            .push(format!("#### {kind} `{interface}.{name}`"));
        self.add_docs(&definition.docs, &definition.stability);
        self.blocks.extend(body);
    }

    fn add_function(&mut self, owner: &str, function: &Function) {
        let name = function.item_name();
        self.blocks.push(format!("#### Function `{owner}.{name}`"));
        self.blocks
            .push(wit(&wit_type::signature(self.resolve, function)));
        self.add_docs(&function.docs, &function.stability);
    }

    fn add_docs(&mut self, docs: &Docs, stability: &Stability) {
        self.blocks.extend(docs.contents.clone());
        self.blocks.extend(match stability {
            Stability::Unknown => None,
            Stability::Stable { since, .. } => Some(format!("Since {since}.")),
            Stability::Unstable { feature, .. } => {
                Some(format!("Unstable, behind the feature `{feature}`."))
            }
        });
    }
}

/// Returns a Markdown table of names and their meanings, or a list of the names if none of them has
/// a meaning. `kind` is the heading of the names.
fn names<'a>(kind: &str, all: impl Iterator<Item = (&'a String, &'a Docs)> + Clone) -> String {
    if all.clone().all(|(_, docs)| docs.is_empty()) {
        let all: Vec<_> = all.map(|(name, _)| code(name)).collect();
        return format!("One of: {}.", all.join(", "));
    }
    let rows = all.map(|(name, docs)| [code(name), line(docs)]);
    table([kind, "meaning"], rows)
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rule = "---|".repeat(N);
    let rows: String = rows
        .map(|cells| format!("\n| {} |", cells.join(" | ")))
        .collect();
    format!("| {} |\n|{rule}{rows}", head.join(" | "))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn wit(text: &str) -> String {
    format!("```wit\n{text}\n```")
}

/// Formats a doc comment as one line for a cell of a Markdown table.
fn line(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or_default();
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests;
