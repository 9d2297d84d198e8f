"""Compiles what the named modules import when they start, and nothing else: most of a client library is never imported.

Runs inside an image while it is built: `python3 precompile.py MODULE...`. Python's own library is included, because
small base images come without its compiled files.
"""

import importlib
import py_compile
import sys


def main() -> None:
    """Imports the modules on the command line and compiles every source file that this brought in."""
    for module in sys.argv[1:]:
        importlib.import_module(module)
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    for file in sorted(file for file in files if file.endswith(".py") and file != __file__):
        # By content and not by time: image builders change the times of files.
        py_compile.compile(file, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    main()
