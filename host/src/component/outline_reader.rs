//! Reader of a component's outline from its bytes, which takes milliseconds where a compiler takes
//! seconds.
//!
//! Owns the index space of types at the root of a component. Must not know what an import means, or
//! how debug information and paths are recognized. Nothing is validated here: the compiler does
//! that later.

use wasmparser::{
    BinaryReaderError, CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind,
    ComponentImport, ComponentOuterAliasKind, ComponentType, ComponentTypeRef, Encoding,
    InstanceTypeDeclaration, Parser, Payload, TypeBounds,
};

use super::leftovers::Leftovers;
use super::outline::{Import, Outline};

/// Names in the section `producers` of components whose interpreter was initialised when they were
/// built: those of componentize-py, componentize-js and wizer.
const INITIALISERS: [&[u8]; 3] = [b"component-init", b"ComponentizeJS", b"wizer"];

/// Reads the outline of a component. Also returns the debug information and the path that its build
/// left in it.
///
/// # Errors
/// Fails if the bytes are not a component, or end too early.
pub(super) fn read(bytes: &[u8]) -> Result<(Outline, Leftovers), BinaryReaderError> {
    let mut reader = OutlineReader::default();
    for payload in Parser::new(0).parse_all(bytes) {
        reader.take(payload?, bytes)?;
    }
    Ok((reader.outline, reader.leftovers))
}

#[derive(Default)]
struct OutlineReader<'a> {
    outline: Outline,
    leftovers: Leftovers,
    /// Encodings of the component or module that is read, and of those around it.
    nested: Vec<Encoding>,
    /// Types of the root component, by their index.
    types: Vec<Type<'a>>,
}

/// Type in the index space of types of the root component.
enum Type<'a> {
    /// The type is that of an interface.
    Interface {
        functions: Vec<&'a str>,
        has_resource: bool,
    },
    /// The type is not that of an interface, or is not defined in the root component.
    Other,
}

impl<'a> OutlineReader<'a> {
    fn take(&mut self, payload: Payload<'a>, bytes: &'a [u8]) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::Version { encoding, .. } => self.nested.push(encoding),
            Payload::End(_) => {
                self.nested.pop();
            }
            Payload::CustomSection(section) => {
                let (name, data) = (section.name(), section.data());
                self.leftovers.take_section(name, data.len());
                if name == "producers" && self.is_at_root() {
                    self.outline.is_interpreter |=
                        INITIALISERS.iter().any(|name| contains(data, name));
                }
            }
            Payload::DataSection(section) => {
                let data = bytes.get(section.range()).unwrap_or_default();
                self.leftovers.take_data(data);
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.outline.is_async |= is_async(&function?);
                }
            }
            Payload::ComponentTypeSection(section) if self.is_at_root() => {
                for ty in section {
                    let ty = self.named(&ty?);
                    self.types.push(ty);
                }
            }
            Payload::ComponentAliasSection(section) if self.is_at_root() => {
                for alias in section {
                    if defines_type(&alias?) {
                        self.types.push(Type::Other);
                    }
                }
            }
            Payload::ComponentImportSection(section) if self.is_at_root() => {
                for import in section {
                    self.import(&import?);
                }
            }
            Payload::ComponentExportSection(section) if self.is_at_root() => {
                for export in section {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Type {
                        self.types.push(Type::Other);
                    }
                    self.outline.exports.push(export.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_at_root(&self) -> bool {
        matches!(self.nested.as_slice(), [Encoding::Component])
    }

    /// Returns a type of the root component, with the names of its functions if it is the type of
    /// an interface.
    fn named(&mut self, ty: &ComponentType<'a>) -> Type<'a> {
        let ComponentType::Instance(declarations) = ty else {
            self.outline.is_async |= matches!(ty, ComponentType::Func(func) if func.async_);
            return Type::Other;
        };
        let (mut functions, mut has_resource) = (Vec::new(), false);
        for declaration in declarations {
            match declaration {
                InstanceTypeDeclaration::Type(ComponentType::Func(func)) => {
                    self.outline.is_async |= func.async_;
                }
                InstanceTypeDeclaration::Export { name, ty } => match ty {
                    ComponentTypeRef::Type(TypeBounds::Eq(_)) => {}
                    ComponentTypeRef::Type(TypeBounds::SubResource) => has_resource = true,
                    _ => functions.push(name.name),
                },
                _ => {}
            }
        }
        Type::Interface {
            functions,
            has_resource,
        }
    }

    fn import(&mut self, import: &ComponentImport<'a>) {
        let ty = match import.ty {
            ComponentTypeRef::Instance(index) => usize::try_from(index)
                .ok()
                .and_then(|index| self.types.get(index)),
            _ => None,
        };
        let (functions, is_provided) = match ty {
            Some(Type::Interface {
                functions,
                has_resource,
            }) => (
                functions.iter().map(|name| (*name).to_owned()).collect(),
                *has_resource || !functions.is_empty(),
            ),
            // A bare function, or a type that is not written where it is imported.
            Some(Type::Other) | None => (Vec::new(), true),
        };
        if let ComponentTypeRef::Type(_) = import.ty {
            self.types.push(Type::Other);
        }
        self.outline.imports.push(Import {
            name: import.name.name.to_owned(),
            is_provided,
            functions,
        });
    }
}

fn contains(data: &[u8], name: &[u8]) -> bool {
    data.windows(name.len()).any(|part| part == name)
}

/// Returns true if an alias in a component adds a type to the component's index space of types.
fn defines_type(alias: &ComponentAlias<'_>) -> bool {
    match alias {
        ComponentAlias::InstanceExport { kind, .. } => *kind == ComponentExternalKind::Type,
        ComponentAlias::Outer { kind, .. } => *kind == ComponentOuterAliasKind::Type,
        ComponentAlias::CoreInstanceExport { .. } => false,
    }
}

/// Returns true if a canonical function needs the async functions of the component model.
fn is_async(function: &CanonicalFunction) -> bool {
    match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => {
            options.iter().any(|option| {
                matches!(
                    option,
                    CanonicalOption::Async | CanonicalOption::Callback(_)
                )
            })
        }
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. }
        | CanonicalFunction::ThreadSpawnRef { .. }
        | CanonicalFunction::ThreadSpawnIndirect { .. }
        | CanonicalFunction::ThreadAvailableParallelism => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CanonicalFunctionSection, CanonicalOption, Component, ComponentImportSection,
        ComponentTypeSection, InstanceType, Module, ModuleSection, PrimitiveValType,
    };
    use wasm_encoder::{ComponentTypeRef as Ref, TypeBounds as Bounds};

    use super::*;

    /// Returns the type of an interface that defines a type, the function `function` if there is
    /// one, and a resource if `has_resource` is true.
    fn interface(function: Option<&str>, has_resource: bool) -> InstanceType {
        let mut ty = InstanceType::new();
        ty.ty().defined_type().primitive(PrimitiveValType::U32);
        ty.export("number", Ref::Type(Bounds::Eq(0)));
        if has_resource {
            ty.export("handle", Ref::Type(Bounds::SubResource));
        }
        if let Some(function) = function {
            let none: [(&str, PrimitiveValType); 0] = [];
            let index = ty.type_count();
            ty.ty().function().params(none).result(None);
            ty.export(function, Ref::Func(index));
        }
        ty
    }

    #[test]
    fn imports_are_read_with_their_functions() {
        let mut types = ComponentTypeSection::new();
        types.instance(&interface(Some("run"), false));
        types.instance(&interface(None, false));
        types.instance(&interface(None, true));
        let mut imports = ComponentImportSection::new();
        imports.import("a:b/functions@0.1.0", Ref::Instance(0));
        imports.import("number", Ref::Type(Bounds::SubResource));
        imports.import("a:b/types", Ref::Instance(1));
        imports.import("a:b/handles", Ref::Instance(2));
        // The imported type is the fourth type.
        let mut more = ComponentTypeSection::new();
        more.instance(&interface(Some("later"), false));
        let mut last = ComponentImportSection::new();
        last.import("a:b/last", Ref::Instance(4));
        let mut component = Component::new();
        component.section(&types).section(&imports);
        component.section(&more).section(&last);
        let (outline, leftovers) = read(&component.finish()).unwrap();
        let found: Vec<_> = outline
            .imports
            .iter()
            .map(|import| {
                (
                    import.name.as_str(),
                    import.is_provided,
                    import.functions.join(" "),
                )
            })
            .collect();
        let function = |name: &str| name.to_owned();
        assert_eq!(
            found,
            [
                ("a:b/functions@0.1.0", true, function("run")),
                ("number", true, function("")),
                ("a:b/types", false, function("")),
                ("a:b/handles", true, function("")),
                ("a:b/last", true, function("later")),
            ]
        );
        assert!(!outline.is_async);
        assert_eq!(leftovers, Leftovers::default());
    }

    #[test]
    fn async_is_found_in_nested_components_too() {
        let with = |options: &[CanonicalOption]| {
            let mut functions = CanonicalFunctionSection::new();
            functions.lower(0, options.iter().copied());
            let mut inner = Component::new();
            inner.section(&functions);
            let mut outer = Component::new();
            outer.section(&wasm_encoder::NestedComponentSection(&inner));
            read(&outer.finish()).unwrap().0.is_async
        };
        assert!(with(&[CanonicalOption::Async]));
        assert!(!with(&[CanonicalOption::UTF8]));
    }

    #[test]
    fn an_initialised_interpreter_is_known_by_its_producer() {
        let by = |producer: &str| {
            let mut component = Component::new();
            component.section(&wasm_encoder::CustomSection {
                name: "producers".into(),
                data: producer.as_bytes().into(),
            });
            read(&component.finish()).unwrap().0.is_interpreter
        };
        assert!(by("processed-by component-init-transform 0.2.0"));
        assert!(by("language JavaScript ComponentizeJS 0.23.0"));
        assert!(!by("language Rust processed-by wit-component 0.239.0"));
    }

    #[test]
    fn modules_are_walked_and_an_early_end_is_an_error() {
        let mut module = Module::new();
        module.section(&wasm_encoder::CustomSection {
            name: ".debug_info".into(),
            data: (&[0; 2048]).into(),
        });
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        let bytes = component.finish();
        let (_, leftovers) = read(&bytes).unwrap();
        assert_ne!(leftovers, Leftovers::default());
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
        assert!(read(b"\0asm").is_err());
        assert!(read(b"").is_err());
    }
}
