//! The spelling of types and functions in WIT.
//!
//! Owns the keywords and brackets of WIT. Must not know where the spelling is shown.

use wit_parser::{Function, FunctionKind, Handle, Resolve, Result_, Type, TypeDefKind, TypeId};

/// Returns a type in the form that WIT uses for a parameter, a result or a field: the name of the
/// type if it has one, or else its definition.
pub fn name(resolve: &Resolve, ty: Type) -> String {
    let name = match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(id) => return name_of(resolve, id),
    };
    name.to_owned()
}

fn name_of(resolve: &Resolve, id: TypeId) -> String {
    let Some(definition) = resolve.types.get(id) else {
        return String::new();
    };
    match &definition.name {
        Some(name) => name.clone(),
        None => form(resolve, &definition.kind),
    }
}

/// Returns the definition of a type that is built from other types, such as `list<u8>`. For a type
/// with fields or cases, returns only the keyword, such as `record`.
pub fn form(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let name = |ty: &Type| name(resolve, *ty);
    let of = |word: &str, ty: &Option<Type>| match ty {
        Some(ty) => format!("{word}<{}>", name(ty)),
        None => word.to_owned(),
    };
    match kind {
        TypeDefKind::Handle(Handle::Own(id)) => name_of(resolve, *id),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", name_of(resolve, *id)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(name).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Option(ty) => format!("option<{}>", name(ty)),
        TypeDefKind::List(ty) => format!("list<{}>", name(ty)),
        TypeDefKind::FixedLengthList(ty, length) => format!("list<{}, {length}>", name(ty)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", name(key), name(value)),
        TypeDefKind::Result(Result_ { ok, err: None }) => of("result", ok),
        TypeDefKind::Result(Result_ { ok, err: Some(err) }) => {
            let ok = ok.as_ref().map_or("_".to_owned(), name);
            format!("result<{ok}, {}>", name(err))
        }
        TypeDefKind::Future(ty) => of("future", ty),
        TypeDefKind::Stream(ty) => of("stream", ty),
        TypeDefKind::Type(ty) => name(ty),
        other => other.as_str().to_owned(),
    }
}

/// Returns the signature of a function: its parameters and its result. The signature of a method
/// does not contain the resource to which the method belongs.
pub fn signature(resolve: &Resolve, function: &Function) -> String {
    let is_method = matches!(
        function.kind,
        FunctionKind::Method(_) | FunctionKind::AsyncMethod(_)
    );
    let parameters: Vec<_> = function
        .params
        .iter()
        .skip(usize::from(is_method))
        .map(|parameter| format!("{}: {}", parameter.name, name(resolve, parameter.ty)))
        .collect();
    let result = function
        .result
        .filter(|_| !function.is_constructor_shorthand(resolve))
        .map_or(String::new(), |ty| format!(" -> {}", name(resolve, ty)));
    let word = match function.kind {
        FunctionKind::Constructor(_) => "",
        FunctionKind::Static(_) => ": static func",
        FunctionKind::AsyncStatic(_) => ": static async func",
        FunctionKind::AsyncFreestanding | FunctionKind::AsyncMethod(_) => ": async func",
        _ => ": func",
    };
    let parameters = parameters.join(", ");
    format!("{}{word}({parameters}){result}", function.item_name())
}
