"""Builds the component of a scorer in Python.

Run by `component/script.rs`, with one argument of JSON. Owns the module that exports the scorer, and the
choice of the world. Must not know manifests.
"""

import ast
import json
import sys
import tempfile
from pathlib import Path


def main() -> int:
    options = json.loads(sys.argv[1])
    entry = Path(options["entry"])
    try:
        tree = ast.parse(entry.read_bytes(), filename=entry.name)
    except (SyntaxError, ValueError) as error:
        place = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        print(f"error: {entry.name}{place}: {error}", file=sys.stderr)
        return 1
    is_tensors = any(name == "TensorScorer" for node in ast.walk(tree) for name in names(node))
    world = "tensor-component" if is_tensors else "component"
    kind = "tensor-scoring" if is_tensors else "scoring"
    with tempfile.TemporaryDirectory(prefix="scorebox-") as folder:
        module = Path(folder, "scorebox_component.py")
        module.write_text(
            # The interpreter in the component would write byte code next to the sources.
            "import sys\n"
            "sys.dont_write_bytecode = True\n"
            f"import {entry.stem}\n"
            "from scorebox_guest import _component\n"
            f'globals().update(_component.export({entry.stem}, "{kind}"))\n'
        )
        words = ["-d", options["wit"], "-w", world, "-q", "componentize", module.stem]
        # The first folder that has a module counts.
        for path in [options["guest"], folder, str(entry.parent)]:
            words += ["-p", path]
        sys.argv = ["componentize-py", *words, "-o", options["output"]]
        sys.path.insert(0, options["toolchain"])
        from componentize_py import script

        return script() or 0


def names(node: ast.AST) -> list:
    """Returns the names that a node of the syntax tree mentions."""
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.alias):
        return [node.name]
    return []


if __name__ == "__main__":
    sys.exit(main())
