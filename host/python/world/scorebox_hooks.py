"""Changes to modules of others, made when a module is first imported.

Owns the finder that runs a change after its module. Must not know what a change does.
"""

import importlib.abc
import sys

_changes = {}


def after_import(name, change):
    """Runs `change(module)` after the module `name` was imported, or now if it was."""
    if name in sys.modules:
        change(sys.modules[name])
    else:
        _changes.setdefault(name, []).append(change)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in _changes:
            return None
        # Libraries with compiled code are built into the interpreter, and have another finder.
        found = (one.find_spec(name, path, target) for one in sys.meta_path if one is not self)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, _changes.pop(name))
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader, changes):
        self._loader, self._changes = loader, changes

    def __getattr__(self, name):
        # Reading of sources and of data files goes to the real loader.
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        for change in self._changes:
            change(module)


sys.meta_path.insert(0, _Finder())
