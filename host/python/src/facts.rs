//! Facts of a WebAssembly module on which packs and state images rely.
//!
//! Owns the facts and their check. Must not know how a module is made, compiled or run.
//!
//! Everything that changes while Python runs must be in linear memory, in its size, or in the stack
//! pointer. Otherwise a snapshot or a state image would lose it.

use wasmparser::{ExternalKind, Operator, Parser, Payload, RefType, TypeRef, ValType};

/// Module and name of `host.call`, the one function by which Python sends messages to the host.
pub(crate) const DOOR: (&str, &str) = ("host", "call");

/// Name of the WASI module, from which the interpreter imports all its functions except [`DOOR`].
const WASI: &str = "wasi_snapshot_preview1";

/// Exports of the interpreter's module that the host calls or reads.
const EXPORTS: [(&str, ExternalKind); 3] = [
    ("memory", ExternalKind::Memory),
    ("turn", ExternalKind::Func),
    ("host_alloc", ExternalKind::Func),
];

/// Exports that would have to be called before any other function. The interpreter's module must
/// not have them.
const INITIALIZERS: [&str; 2] = ["_initialize", "_start"];

/// Reason why a WebAssembly module cannot be the interpreter of an engine pack.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FactError {
    /// The bytes are not a module that can be read.
    #[error("it is not a valid WebAssembly module: {0}")]
    Invalid(String),
    /// The module does not have exactly one memory, one table and one mutable global.
    #[error("it has {found} {kind}, and 1 is expected")]
    Count {
        /// Plural name of a thing that the module must have exactly once, e.g. `memories`.
        kind: &'static str,
        /// Number that the module has of the things that `kind` names.
        found: usize,
    },
    /// The memory has a maximum, is shared, or has addresses of 64 bits.
    #[error("its memory has a maximum, is shared, or has addresses of 64 bits")]
    Memory,
    /// The table can grow, or holds something else than functions.
    #[error("its table can grow, or holds something else than functions")]
    Table,
    /// The mutable global is not a number of 32 bits, so it cannot be the stack pointer.
    #[error("its mutable global is not a number of 32 bits")]
    Global,
    /// The module imports something that the host does not have.
    #[error("it imports `{module}.{name}`, which the host does not have")]
    Import {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// The module lacks an export that the host uses.
    #[error("it does not export `{0}`")]
    Export(&'static str),
    /// The module runs code when it is instantiated.
    #[error("it runs code when it is instantiated: {0}")]
    Starts(&'static str),
    /// The module has an instruction that changes a table or uses a passive segment. Both are
    /// outside of linear memory.
    #[error("it has the instruction `{0}`, whose effect is outside of linear memory")]
    Instruction(&'static str),
}

impl From<wasmparser::BinaryReaderError> for FactError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Checks that everything that changes while a module runs is in its linear memory, in the size of
/// the memory, or in the stack pointer.
///
/// # Errors
/// Fails with the first fact that does not hold.
pub fn check(module: &[u8]) -> Result<(), FactError> {
    let (mut memories, mut tables, mut globals) = (0, 0, 0);
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    check_import(&import?)?;
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    let memory = memory?;
                    memories += 1;
                    if memory.maximum.is_some() || memory.shared || memory.memory64 {
                        return Err(FactError::Memory);
                    }
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    let table = table?.ty;
                    tables += 1;
                    if table.maximum != Some(table.initial)
                        || table.element_type != RefType::FUNCREF
                    {
                        return Err(FactError::Table);
                    }
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    let global = global?.ty;
                    if global.mutable {
                        globals += 1;
                        if global.content_type != ValType::I32 {
                            return Err(FactError::Global);
                        }
                    }
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export?;
                    exports.push((export.name, export.kind));
                }
            }
            Payload::StartSection { .. } => return Err(FactError::Starts("a start function")),
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader()? {
                    if let Some(name) = effect_outside_memory(&operator?) {
                        return Err(FactError::Instruction(name));
                    }
                }
            }
            _ => {}
        }
    }
    for (kind, found) in [
        ("memories", memories),
        ("tables", tables),
        ("mutable globals", globals),
    ] {
        if found != 1 {
            return Err(FactError::Count { kind, found });
        }
    }
    for name in INITIALIZERS {
        if exports.iter().any(|(export, _)| *export == name) {
            return Err(FactError::Starts(name));
        }
    }
    let missing = EXPORTS.iter().find(|export| !exports.contains(export));
    missing.map_or(Ok(()), |(name, _)| Err(FactError::Export(name)))
}

fn check_import(import: &wasmparser::Import<'_>) -> Result<(), FactError> {
    let is_function = matches!(import.ty, TypeRef::Func(_));
    if is_function && (import.module == WASI || (import.module, import.name) == DOOR) {
        return Ok(());
    }
    Err(FactError::Import {
        module: import.module.to_owned(),
        name: import.name.to_owned(),
    })
}

/// Returns the name of an instruction that changes a table or uses a passive segment. Returns
/// `None` for any other instruction. Passive segments without such an instruction have no effect.
fn effect_outside_memory(operator: &Operator<'_>) -> Option<&'static str> {
    Some(match operator {
        Operator::TableSet { .. } => "table.set",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableFill { .. } => "table.fill",
        Operator::TableInit { .. } => "table.init",
        Operator::TableCopy { .. } => "table.copy",
        Operator::ElemDrop { .. } => "elem.drop",
        Operator::MemoryInit { .. } => "memory.init",
        Operator::DataDrop { .. } => "data.drop",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection,
        GlobalSection, GlobalType, ImportSection, Instruction, MemorySection, MemoryType, Module,
        RefType, TableSection, TableType, TypeSection, ValType,
    };

    use super::*;

    /// Change that a test makes to a module that holds all facts.
    #[derive(Clone, Copy)]
    struct Change {
        import: (&'static str, &'static str),
        memory_maximum: Option<u64>,
        table_maximum: Option<u64>,
        mutable_globals: u32,
        turn: &'static str,
        extra_export: Option<&'static str>,
        changes_table: bool,
    }

    const SOUND: Change = Change {
        import: DOOR,
        memory_maximum: None,
        table_maximum: Some(1),
        mutable_globals: 1,
        turn: "turn",
        extra_export: None,
        changes_table: false,
    };

    fn module(change: Change) -> Vec<u8> {
        let mut module = Module::new();
        let mut types = TypeSection::new();
        types.ty().function([], []);
        module.section(&types);
        let mut imports = ImportSection::new();
        imports.import(change.import.0, change.import.1, EntityType::Function(0));
        module.section(&imports);
        let mut functions = FunctionSection::new();
        functions.function(0);
        module.section(&functions);
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            minimum: 1,
            maximum: change.table_maximum,
            table64: false,
            shared: false,
        });
        module.section(&tables);
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: change.memory_maximum,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        module.section(&memories);
        let mut globals = GlobalSection::new();
        for mutable in std::iter::repeat_n(true, change.mutable_globals as usize).chain([false]) {
            let ty = GlobalType {
                val_type: ValType::I32,
                mutable,
                shared: false,
            };
            globals.global(ty, &ConstExpr::i32_const(0));
        }
        module.section(&globals);
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        for name in [change.turn, "host_alloc"]
            .into_iter()
            .chain(change.extra_export)
        {
            exports.export(name, ExportKind::Func, 1);
        }
        module.section(&exports);
        let mut body = Function::new([]);
        if change.changes_table {
            body.instruction(&Instruction::TableCopy {
                src_table: 0,
                dst_table: 0,
            });
        }
        body.instruction(&Instruction::End);
        let mut code = CodeSection::new();
        code.function(&body);
        module.section(&code);
        module.finish()
    }

    #[test]
    fn each_fact_is_checked() {
        let import = |module: &str, name: &str| FactError::Import {
            module: module.to_owned(),
            name: name.to_owned(),
        };
        let count = |found| FactError::Count {
            kind: "mutable globals",
            found,
        };
        #[rustfmt::skip]
        let cases = [
            (SOUND, Ok(())),
            (Change { import: ("env", "system"), ..SOUND }, Err(import("env", "system"))),
            (Change { memory_maximum: Some(9), ..SOUND }, Err(FactError::Memory)),
            (Change { table_maximum: None, ..SOUND }, Err(FactError::Table)),
            (Change { table_maximum: Some(2), ..SOUND }, Err(FactError::Table)),
            (Change { mutable_globals: 0, ..SOUND }, Err(count(0))),
            (Change { mutable_globals: 2, ..SOUND }, Err(count(2))),
            (Change { turn: "run", ..SOUND }, Err(FactError::Export("turn"))),
            (Change { extra_export: Some("_initialize"), ..SOUND }, Err(FactError::Starts("_initialize"))),
            (Change { changes_table: true, ..SOUND }, Err(FactError::Instruction("table.copy"))),
        ];
        for (change, expected) in cases {
            assert_eq!(check(&module(change)), expected);
        }
        assert!(matches!(check(b"no module"), Err(FactError::Invalid(_))));
    }
}
