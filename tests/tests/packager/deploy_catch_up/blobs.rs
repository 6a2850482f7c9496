//! Blobs with odd names, some of which were missed.
//!
//! Owns the names, and which of them were scored, parked, changed or missed. Must not know how they are
//! listed.

use std::collections::BTreeSet;

use super::rig::{EARLY, LATE, Rig};

/// Number of blobs. So many that no list in a command line would hold them.
pub const BLOBS: usize = 1000;

/// Parts of the names of blobs. Everything is there that a shell, awk, JSON or a URL could take for
/// something else.
const PARTS: [&str; 32] = [
    " ",
    "'",
    "\"",
    "%20",
    "%",
    "é",
    "日本",
    "$(touch made)",
    "`touch made`",
    "\\",
    "\\n",
    "&",
    "?",
    "#",
    "{",
    "}",
    "a/b",
    "//",
    "\t",
    "+",
    "=",
    ";",
    "*",
    "~",
    "..",
    "\u{2028}",
    "😀",
    "--x",
    "|",
    "<",
    "\u{1}",
    "7",
];

/// Returns names of blobs that are all different, and the same in every run.
fn names() -> Vec<String> {
    let mut state = 7_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 40).expect("24 bits")
    };
    let mut names = BTreeSet::new();
    while names.len() < BLOBS {
        let count = 1 + random() % 8;
        let name: String = (0..count).map(|_| PARTS[random() % PARTS.len()]).collect();
        names.insert(name);
    }
    names.into_iter().collect()
}

fn etag(index: usize) -> String {
    format!("0x8D{index}")
}

/// Writes the listings of 1,000 blobs. Every 27th was missed, every 10th of the others is parked, and
/// every 15th was changed after it was scored. Returns the blobs that `watch`, and the blobs that
/// `count` should get.
pub fn fill(rig: &Rig) -> (Vec<String>, Vec<String>) {
    let names = names();
    let is_missed = |index: usize| index.is_multiple_of(27);
    let is_parked = |index: usize| !is_missed(index) && index.is_multiple_of(10);
    let is_stale = |index: usize| !is_missed(index) && !is_parked(index) && index % 15 == 1;
    let all = || names.iter().enumerate();
    let others =
        ["note.txt", "x.jsonx", ".jso"].map(|name| ("0xF".to_owned(), EARLY, name.to_owned()));
    let incoming = all().map(|(index, name)| {
        let time = if is_stale(index) { LATE } else { EARLY };
        (etag(index), time, format!("{name}.json"))
    });
    rig.list("incoming", incoming.chain(others));
    let scored = all().filter(|(index, _)| !is_missed(*index) && !is_parked(*index));
    rig.list(
        "scored",
        scored.map(|(_, name)| ("0x1".to_owned(), EARLY, format!("{name}.json"))),
    );
    let parked = all().filter(|(index, _)| is_parked(*index));
    rig.list(
        "rejected",
        parked.map(|(_, name)| ("0x1".to_owned(), EARLY, format!("of/{name}.txt"))),
    );
    // Receipts name the version of a blob. One that was only begun does not count, nor does one of
    // another function.
    let receipts = all().map(|(index, name)| {
        let (version, mark, function) = match index {
            index if is_missed(index) => ("0xOLD".to_owned(), "", "count"),
            index if is_parked(index) => (etag(index), "!", "count"),
            index if is_stale(index) => (etag(index), "", "watch"),
            index => (etag(index), "", "count"),
        };
        let receipt = format!(
            "blobreceipts/host-1/Host.Functions.{function}/\"{version}\"/incoming/{name}.json"
        );
        (format!("0x1{mark}"), EARLY, receipt)
    });
    rig.list("azure-webjobs-hosts", receipts);
    let expected = |fits: &dyn Fn(usize) -> bool| -> Vec<String> {
        all()
            .filter(|(index, _)| fits(*index))
            .map(|(_, name)| format!("incoming/{name}.json"))
            .collect()
    };
    (
        expected(&|index| is_missed(index) || is_stale(index)),
        expected(&|index| is_missed(index) || is_parked(index) || is_stale(index)),
    )
}
