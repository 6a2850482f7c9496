//! The engine's reason for refusing inputs, as a caller may read it.
//!
//! Owns the choice of the errors of a run that may come from the inputs, and the removal of
//! internal facts from their texts: places in the engine's source code, paths of this machine, and
//! addresses in memory. Must not know callers, or whether the graph ever answered.

use ort::{Error, ErrorCode};

use crate::graph::interface::GraphError;
use crate::graph::is_out_of_memory;
use crate::text::{bounded, quoted};

/// Maximum length of the reason that callers get, in bytes. It is enough for one sentence with a
/// few sizes in it.
const REASON_BYTES: usize = 512;

/// Maximum length of the message of the engine that is kept for the log, in bytes.
const DETAIL_BYTES: usize = 4 << 10;

/// Start of the engine's message about an operator that failed.
const OPERATOR_FAILED: &str = "Non-zero status code returned while running ";

/// Words of the engine's message before the reason why an operator failed.
const STATUS: &str = "Status Message: ";

/// Converts the error with which a run ended.
///
/// The result is [`GraphError::Refused`] if an operator refused values or sizes, because these may
/// come from the inputs. A lack of memory and an unsupported operation do not come from the inputs.
pub(super) fn of_run(error: &Error) -> GraphError {
    let said = error.message();
    let is_about_values = match error.code() {
        ErrorCode::InvalidArgument => true,
        ErrorCode::GenericFailure | ErrorCode::RuntimeException => {
            said.starts_with(OPERATOR_FAILED)
        }
        _ => false,
    };
    let detail = bounded(said.to_owned(), DETAIL_BYTES);
    if is_about_values && !is_out_of_memory(said) {
        let reason = reason(&detail);
        return GraphError::Refused { reason, detail };
    }
    GraphError::Failed(detail)
}

/// Returns the reason in a message of the engine as callers may read it: the operator that failed,
/// if the message names it, and what was wrong. The reason has no internal facts, and is cut to
/// `REASON_BYTES`.
fn reason(said: &str) -> String {
    let operator = said.strip_prefix(OPERATOR_FAILED);
    let operator = operator.and_then(|rest| rest.split(' ').next());
    let said = said.split_once(STATUS).map_or(said, |(_, status)| status);
    let words = cleaned(without_places(said.trim()));
    let reason = match operator {
        Some(operator) => format!("{operator}: {words}"),
        None => words,
    };
    quoted(&reason, REASON_BYTES)
}

/// Returns a message of the engine without the places in its source code, the functions and the
/// error codes at its start.
fn without_places(mut said: &str) -> &str {
    loop {
        let (first, rest) = said.split_once(' ').unwrap_or((said, ""));
        if first == "[ONNXRuntimeError]" {
            // The form is `[ONNXRuntimeError] : 1 : FAIL : `.
            said = rest.splitn(5, ' ').nth(4).unwrap_or_default();
            said = said.strip_prefix(": ").unwrap_or(said);
        } else if !is_place(first) {
            return said;
        } else if first.starts_with('/') {
            said = without_function(rest);
        } else {
            // A file name without its folder is followed by the name of a function, without
            // parameters.
            said = rest.split_once(' ').map_or("", |(_, rest)| rest);
        }
        said = said.trim_start();
    }
}

/// Returns true for a place in source code, such as `squeeze.h:53`.
fn is_place(word: &str) -> bool {
    let Some((file, line)) = word.rsplit_once(':') else {
        return false;
    };
    let is_source = [".h", ".cc", ".cpp", ".hpp"]
        .iter()
        .any(|extension| file.ends_with(extension));
    is_source && !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a message without the signature of a C++ function at its start: everything up to the end
/// of the parameters, and the template types that may follow.
fn without_function(said: &str) -> &str {
    let mut said = after_brackets(said, '(', ')');
    while let Some(rest) = said.strip_prefix("::") {
        said = match rest.starts_with("<lambda") {
            true => after_brackets(after_brackets(rest, '<', '>'), '(', ')'),
            false => after_brackets(rest, '(', ')'),
        };
    }
    said = said.strip_prefix(" const").unwrap_or(said);
    match said.strip_prefix(" [with ") {
        Some(_) => after_brackets(said, '[', ']'),
        None => said,
    }
}

/// Returns the part of a text that follows the first pair of the brackets `open` and `close`.
/// Returns the whole text if it has no such pair.
fn after_brackets(text: &str, open: char, close: char) -> &str {
    let mut depth = 0usize;
    for (index, character) in text.char_indices() {
        if character == open {
            depth += 1;
        } else if character == close && depth > 0 {
            depth -= 1;
            if depth == 0 {
                return text.get(index + close.len_utf8()..).unwrap_or_default();
            }
        }
    }
    text
}

/// Returns a message with an ellipsis in place of each path, each address in memory, and each place
/// in source code.
fn cleaned(said: &str) -> String {
    let mut words = String::with_capacity(said.len());
    for word in said.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        let bare = word.trim_start_matches(['"', '\'', '(', '[', '`']);
        let is_path = bare.starts_with('/') && bare.len() > 1 || bare.contains("/src/");
        let is_address = bare
            .strip_prefix("0x")
            .is_some_and(|digits| digits.len() > 4);
        match is_path || is_address || is_place(bare) {
            true => words.push('…'),
            false => words.push_str(word),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_for_callers_and_names_no_place() {
        #[track_caller]
        fn check(status: &str, expected: &str) {
            let said = format!("{OPERATOR_FAILED}Gather node. Name:'g' {STATUS}{status}");
            assert_eq!(reason(&said), format!("Gather: {expected}"));
        }
        check(
            "Unknown Category and zeros = 0.",
            "Unknown Category and zeros = 0.",
        );
        check(
            "indices element out of data bounds, idx=5 must be within the inclusive range [-3,2]",
            "indices element out of data bounds, idx=5 must be within the inclusive range [-3,2]",
        );
        check(
            "/onnxruntime_src/onnxruntime/core/framework/op_kernel.cc:87 virtual OrtValue* \
             onnxruntime::OpKernelContext::OutputMLValue(int, const onnxruntime::TensorShape&) \
             [ONNXRuntimeError] : 1 : FAIL : tensor.cc:57 CalculateTensorStorageSize Tensor \
             shape.Size() must be >= 0\n",
            "Tensor shape.Size() must be >= 0",
        );
        check(
            "concatbase.h:133 PrepareForComputeImpl Non concat axis dimensions must match: Axis 0 \
             has mismatched dimensions of 1 and 2",
            "Non concat axis dimensions must match: Axis 0 has mismatched dimensions of 1 and 2",
        );
        check(
            "/onnxruntime_src/onnxruntime/core/providers/cpu/math/element_wise_ops.h:583 void \
             onnxruntime::BroadcastIterator::Append(ptrdiff_t, ptrdiff_t) axis == 1 was false. \
             2 by 3",
            "axis == 1 was false. 2 by 3",
        );
        check(
            "/src/a.cc:1 T f(std::function<void(int)>)::<lambda(int)>::g(int) const [with T = \
             std::vector<int>] x is 1",
            "x is 1",
        );
        check(
            "cannot open \"/home/ann/secret\" at 0x7f12ab34cd56\n\u{1b}[2J",
            "cannot open … at … \\u{1b}[2J",
        );
        check(&"x".repeat(9000), &format!("{}…", "x".repeat(501)));
    }

    #[test]
    fn odd_messages_are_cleaned_without_a_panic() {
        for said in [
            "",
            STATUS,
            OPERATOR_FAILED,
            "[ONNXRuntimeError]",
            "[ONNXRuntimeError] : 1",
            "a.cc:1",
            "a.cc:1 f",
            "/a.cc:1 f",
            "/a.cc:1 f(",
            "/a.cc:1 f)::",
            "/a.cc:1 ::<lambda",
        ] {
            assert!(reason(said).len() <= REASON_BYTES, "{said}");
        }
    }
}
