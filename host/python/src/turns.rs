//! Texts of the Python code that the host runs in an interpreter.
//!
//! Owns the calls of the Python files of Scorebox. Must not know what these files do.

use std::collections::BTreeMap;

/// Python code that runs calls until the mailbox of the instance is closed.
pub(crate) const LOOP: &str = "import scorebox_world\nscorebox_world.loop()\n";

/// Python code that fills freed memory with zeros, which compress well. The code ends when no
/// memory is left, so the memory must not be able to grow.
///
/// It runs when a pack is made and when a state image is taken. If only the image had the zeros,
/// they would differ from the memory of the pack, and so the image would have to hold them.
#[cfg(feature = "compiler")]
pub(crate) const CLEAR: &str = "
def _clear():
    blocks = []
    for size in (1 << 22, 1 << 20, 1 << 18, 1 << 16, 1 << 14, 1 << 12, 1 << 11):
        try:
            while True:
                blocks.append(bytes(size))
        except MemoryError:
            pass
_clear()
del _clear
";

/// Returns code that imports a script and runs its `init`. An exception goes to the host as the end
/// of a call does.
pub(crate) fn start(
    entry: &str,
    environment: &[(String, String)],
    accelerated: &[String],
) -> String {
    // Texts, lists and objects of texts are written in Python as in JSON.
    let environment: BTreeMap<_, _> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut arguments = vec![
        literal(&entry),
        format!("environment={}", literal(&environment)),
    ];
    if !accelerated.is_empty() {
        arguments.push(format!("accelerated={}", literal(&accelerated)));
    }
    guarded(&format!("start({})", arguments.join(", ")))
}

/// Returns code that renews what must differ between instances that were made from one state image.
pub(crate) fn resumed() -> String {
    guarded("resumed()")
}

/// Returns code that prepares the interpreter's memory for a state image. An exception, such as one
/// for a file that the script keeps open, goes to the host as the end of a call does.
#[cfg(feature = "compiler")]
pub(crate) fn taken() -> String {
    guarded("taken()")
}

/// Returns code that calls a function of the module `scorebox_world`, and sends an exception to the
/// host as the end of a call.
fn guarded(call: &str) -> String {
    format!(
        r#"
try:
    import scorebox_world
    scorebox_world.{call}
except BaseException as error:
    import traceback, _host
    text = "".join(traceback.format_exception(error))
    _host.call(b"A\1\0\0\0\0" + text.encode("utf-8", "replace"))
"#
    )
}

fn literal(value: &impl serde::Serialize) -> String {
    // Texts, lists and maps of texts can always be written.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_escaped() {
        let environment = [("A".to_owned(), "\"\n\\ä".to_owned())];
        let code = start("a\"b.py", &environment, &[]);
        let call = r#"scorebox_world.start("a\"b.py", environment={"A":"\"\n\\ä"})"#;
        assert!(code.contains(call), "{code}");
        let code = start("a.py", &[], &["m.pkl".to_owned()]);
        assert!(code.contains(r#"{}, accelerated=["m.pkl"])"#), "{code}");
    }
}
