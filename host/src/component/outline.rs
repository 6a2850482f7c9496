//! The outline of a component: what it imports and exports, and whether it is async or holds an
//! interpreter.
//!
//! Owns the two ways to get an outline: from the bytes of a component, before anything is compiled,
//! and from compiled code. Must not know which imports a host grants.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ResourceType};

/// Imports and exports of a component, and two facts about its code.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Imports of the component, in the order of its binary.
    pub imports: Vec<Import>,
    /// Names of the component's exports, e.g. `scorebox:scoring/scorer@0.2.0`.
    pub exports: Vec<String>,
    /// True if the component needs the async functions of the component model. Compiled code never
    /// does, because the engine refuses such a component.
    pub is_async: bool,
    /// True if the component holds an interpreter that was initialised when it was built, with the
    /// program in its memory. Always false in an outline of compiled code.
    pub is_interpreter: bool,
}

/// An import of a component.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// Name of the import, e.g. `wasi:cli/environment@0.2.6`.
    pub name: String,
    /// True if the host has to provide the import, because it is more than a collection of types.
    pub is_provided: bool,
    /// Names of the functions of an imported interface. Empty in the outline of compiled code,
    /// whose functions were compared with those of the host before it was compiled.
    pub functions: Vec<String>,
}

impl Outline {
    /// Returns the outline of a compiled component.
    #[must_use]
    pub fn of_compiled(engine: &Engine, component: &Component) -> Self {
        let component = component.component_type();
        // An interface that uses a resource of another interface exports it again. The host provides
        // the resource with the first interface.
        let mut known: Vec<ResourceType> = Vec::new();
        let mut is_new = |resource: ResourceType| {
            let is_new = !known.contains(&resource);
            known.push(resource);
            is_new
        };
        let mut outline = Self::default();
        for (name, item) in component.imports(engine) {
            let mut is_provided = true;
            if let ComponentItem::ComponentInstance(instance) = item.ty {
                is_provided = false;
                for (_, item) in instance.exports(engine) {
                    is_provided |= match item.ty {
                        ComponentItem::Type(_) => false,
                        ComponentItem::Resource(resource) => is_new(resource),
                        _ => true,
                    };
                }
            }
            outline.imports.push(Import {
                name: name.to_owned(),
                is_provided,
                functions: Vec::new(),
            });
        }
        for (name, _) in component.exports(engine) {
            outline.exports.push(name.to_owned());
        }
        outline
    }
}
