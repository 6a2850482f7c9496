"""The interfaces of the host that this process can reach.

Owns the table of interfaces: those of the component, or those of the stand-in that tests install.
Must not know what an interface does.
"""

from __future__ import annotations

import importlib
from typing import Any, Dict

try:
    from componentize_py_types import Err
except ImportError:

    class Err(Exception):  # type: ignore[no-redef]
        """The error of a function of the host, on the native interpreter."""

        def __init__(self, value: Any) -> None:
            super().__init__(value)
            self.value = value


# The names that componentize-py gives to the modules of interfaces, by the names that this package
# uses. The first name that exists counts, because componentize-py adds the name of the package only
# if two interfaces of the world have the same name.
_MODULES = {
    "model": ("model",),
    "logging": ("logging",),
    "config": ("wasi_config_store", "store"),
    "metrics": ("metrics",),
    "graphs": ("graphs",),
    "cache": ("cache",),
    "keyvalue": ("wasi_keyvalue_store",),
    "atomics": ("atomics",),
    "batch": ("batch",),
    "redis": ("redis",),
    "types": ("types",),
}

# Requirements of interfaces: a component is built with an interface only if the project has this.
_NEEDS = {
    "graphs": "an .onnx file in the model",
    "cache": "a [stores.<name>] in scorebox.toml",
    "keyvalue": "a [stores.<name>] in scorebox.toml",
    "atomics": "a [stores.<name>] in scorebox.toml",
    "batch": "a [stores.<name>] in scorebox.toml",
    "redis": "a [stores.<name>] with `commands` in scorebox.toml",
}


class NotAvailable(RuntimeError):
    """The component has no import of an interface of the host, or a test has no stand-in for it."""


_installed: Dict[str, Any] = {}


def install(interfaces: Dict[str, Any]) -> Dict[str, Any]:
    """Replaces the table of interfaces, and returns the table that was there before."""
    global _installed
    before, _installed = _installed, interfaces
    return before


def load() -> None:
    """Fills the table with the interfaces of the component that is being built.

    The modules must be imported at build time, because a component has no files.
    """
    found = {}
    for name, modules in _MODULES.items():
        for module in modules:
            try:
                found[name] = importlib.import_module(f"wit_world.imports.{module}")
                break
            except ImportError:
                continue
    install(found)


def interface(name: str) -> Any:
    """Returns the interface ``name``.

    Raises ``NotAvailable``, with a text that says what to do, if this process cannot reach it.
    """
    found = _installed.get(name)
    if found is not None:
        return found
    if not _installed:
        raise NotAvailable("there is no host: use scorebox_guest.testing.Host in a test")
    needs = _NEEDS.get(name)
    if needs is None:
        raise NotAvailable(f"the component was built without the interface `{name}`")
    raise NotAvailable(f"the interface `{name}` needs {needs}; add it and build again")


def case(error: Any) -> str:
    """Returns the name of the case of an error of the host, such as ``NotFound``."""
    return type(error).__name__.rpartition("_")[2]
