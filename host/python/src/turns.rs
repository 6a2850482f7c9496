//! Python code that the host runs in an interpreter. One run of such code is called a *turn*.
//!
//! Owns the text of this code, which calls the Python files of Scorebox. Must not know what these
//! files do.

use std::collections::BTreeMap;

/// Python code that takes requests out of the mailbox of an instance and calls the script for each
/// of them. It ends when the mailbox is closed.
pub(crate) const LOOP: &str = "import scorebox_world\nscorebox_world.loop()\n";

/// Python code that fills freed memory with zeros, which compress well. The code ends when no
/// memory is left, so the memory must not be able to grow.
///
/// The code runs when a pack is made and when a state image is taken. If only the image had the
/// zeros, they would differ from the memory of the pack, and so the image would have to hold them.
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

/// Returns Python code that imports a script and runs its `init`. If either raises an exception,
/// the code sends the traceback to the host, in the message that also ends a failed call.
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

/// Returns Python code that runs in an instance after a state image was restored. It renews what
/// must differ between such instances, e.g. the seeds of random numbers.
pub(crate) fn resumed() -> String {
    guarded("resumed()")
}

/// Returns Python code that prepares the memory of the interpreter for a state image. If this
/// fails, e.g. because the script keeps a file open, the code sends the traceback to the host, in
/// the message that also ends a failed call.
#[cfg(feature = "compiler")]
pub(crate) fn taken() -> String {
    guarded("taken()")
}

/// Returns Python code that calls a function of the module `scorebox_world`. `call` is the name of
/// the function with its arguments. If the function raises an exception, the code sends the
/// traceback to the host, in the message that also ends a failed call.
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
