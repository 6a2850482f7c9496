"""Writes one case for each refusal of `cargo xtask convert`: what is refused, and what its fix makes of it.

Owns the cases. A case is a folder with `case.json` and two sources: `refused`, which ends in an error that says the
texts of `problem` and `fix`, and `fixed`, which is that source after its fix was followed. `then` says what happens to
it: it converts if the list is empty, else it ends in another error that says these texts. `arguments` are for both,
`more` for the second only. Must not know how anything is converted.

    python3 fixes.py FOLDER
"""

import json
import pickle
import shutil
import sys
from pathlib import Path

import fixes_files
import fixes_folders
import fixes_models

FOLDER = Path(sys.argv[1])


def main():
    for module in (fixes_files, fixes_models, fixes_folders):
        for name, case in module.cases().items():
            keep(name, **case)


def keep(name, refused, fixed, problem, fix, code=3, then=(), arguments=(), more=(), sample=None, ending="pkl"):
    """Writes a case; a source is an object to pickle, bytes, or a function that writes into a folder."""
    folder = FOLDER / name
    folder.mkdir(parents=True)
    case = {"code": code, "problem": list(problem), "fix": list(fix), "then": list(then)}
    case |= {"arguments": list(arguments), "more": list(more), "sources": [], "samples": []}
    for which, source in (("refused", refused), ("fixed", fixed)):
        file = f"{which}.{ending}"
        if callable(source):
            (folder / which).mkdir()
            file = which
            source(folder / which)
        elif isinstance(source, bytes):
            (folder / file).write_bytes(source)
        else:
            (folder / file).write_bytes(pickle.dumps(source))
        case["sources"].append(file)
    for which, rows in zip(("refused", "fixed"), sample or ()):
        rows.to_csv(folder / f"{which}-sample.csv", index=False)
        case["samples"].append(f"{which}-sample.csv")
    (folder / "case.json").write_text(json.dumps(case))


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    main()
