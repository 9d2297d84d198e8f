"""What the programs of this folder share: each is many commands, says when it is ready, and holds memory (in MiB)."""

import argparse
import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Iterable

__all__ = ["LIBC", "MEBIBYTE", "PAGE", "run", "say", "taken", "touch"]

MEBIBYTE = 1 << 20
PAGE = 4096
LIBC = ctypes.CDLL(None, use_errno=True)


def taken(mebibytes: int) -> mmap.mmap:
    """Anonymous memory of that size, every page of it written."""
    memory = mmap.mmap(-1, mebibytes * MEBIBYTE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    touch(memory)
    return memory


def touch(memory: mmap.mmap) -> None:
    """Writes one byte of every page."""
    memory[::PAGE] = b"x" * (len(memory) // PAGE)


def say(line: str) -> None:
    """In one write: whoever dies right after has said it."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def run(parser: argparse.ArgumentParser, functions: Iterable[Callable[..., None]]) -> None:
    """Calls the function that the command line names, with options as its parameters are."""
    by_name = {function.__name__: function for function in functions}
    commands = parser.add_subparsers(required=True, dest="command")
    for name, function in by_name.items():
        command = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        for option, kind in function.__annotations__.items():
            if kind is bool:
                command.add_argument(f"--{option.replace('_', '-')}", action="store_true")
            elif option != "return":
                command.add_argument(f"--{option}", type=kind, required=True)
    options = vars(parser.parse_args())
    by_name[options.pop("command")](**options)
