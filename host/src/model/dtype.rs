//! Element types of tensors.
//!
//! Owns their names and sizes. Must not know where tensors are.

/// Element type of a tensor. The names are those of the safetensors format, which has all of these
/// types except text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// Boolean in one byte, 0 or 1.
    Bool,
    /// Brain floating point (bfloat16), 16 bits.
    Bf16,
    /// IEEE 754 half precision, 16 bits.
    F16,
    /// IEEE 754 single precision, 32 bits.
    F32,
    /// IEEE 754 double precision, 64 bits.
    F64,
    /// Signed integer, 16 bits.
    I16,
    /// Signed integer, 32 bits.
    I32,
    /// Signed integer, 64 bits.
    I64,
    /// Signed integer, 8 bits.
    I8,
    /// Text: its length in bytes as a four-byte integer, then UTF-8 without NUL. Only the inputs
    /// and outputs of graphs have this type.
    Text,
    /// Unsigned integer, 16 bits.
    U16,
    /// Unsigned integer, 32 bits.
    U32,
    /// Unsigned integer, 64 bits.
    U64,
    /// Unsigned integer, 8 bits.
    U8,
}

impl Dtype {
    /// Returns the size of one element of this type, in bytes. For a text, this is the smallest
    /// possible size.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::Bf16 | Self::F16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::Text | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// Returns true for the floating-point types, which have NaN.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::Bf16 | Self::F16 | Self::F32 | Self::F64)
    }

    /// All element types, in the order of this enum.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Bf16,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::I8,
        Self::Text,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::U8,
    ];

    /// Returns the name of the type in lower case, e.g. `f32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::I8 => "i8",
            Self::Text => "text",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::U8 => "u8",
        }
    }

    /// Returns the name of the type after its indefinite article: `an f32`, but `a u8`.
    #[must_use]
    pub fn with_article(self) -> String {
        let article = match self {
            Self::Bool | Self::Bf16 | Self::Text | Self::U8 | Self::U16 | Self::U32 | Self::U64 => {
                "a"
            }
            Self::F16 | Self::F32 | Self::F64 | Self::I8 | Self::I16 | Self::I32 | Self::I64 => {
                "an"
            }
        };
        format!("{article} {}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_article_of_a_type_is_the_one_of_its_sound() {
        let names = Dtype::ALL.map(Dtype::with_article);
        assert_eq!(
            names.join(", "),
            "a bool, a bf16, an f16, an f32, an f64, an i16, an i32, an i64, an i8, a text, \
             a u16, a u32, a u64, a u8"
        );
    }
}
