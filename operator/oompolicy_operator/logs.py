"""Log lines: JSON with klog's keys in a pod, coloured text on a terminal; ours and those of kopf alike."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

__all__ = ["configure"]

_LEVELS = {"Error": logging.ERROR, "Warning": logging.WARNING, "Info": logging.INFO, "Debug": logging.DEBUG}

Line = MutableMapping[str, Any]


def configure(level: str) -> None:
    """Writes lines of `level` and above to standard output. kopf speaks at every event it handles: only with Debug."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(on_terminal=sys.stdout.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[level])
    logging.getLogger("kopf").setLevel(logging.DEBUG if level == "Debug" else logging.WARNING)
    for chatty in ("asyncio", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _formatter(*, on_terminal: bool) -> logging.Formatter:
    render: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if on_terminal
        else [
            structlog.processors.ExceptionRenderer(),
            structlog.processors.EventRenamer("msg"),
            _error_as_klog_calls_it,
            structlog.processors.JSONRenderer(),
        ]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", key="ts"),
            structlog.stdlib.ExtraAdder(),
            _object_of_kopf,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )


def _object_of_kopf(_logger: object, _method: str, line: Line) -> Line:
    """Replaces what kopf attaches to its records for its own formatters by the object's name."""
    reference = line.pop("k8s_ref", None)
    for internal in ("k8s_skip", "settings"):
        line.pop(internal, None)
    if reference:
        line["object"] = f"{reference['kind']}/{reference['name']}"
    return line


def _error_as_klog_calls_it(_logger: object, _method: str, line: Line) -> Line:
    if "exception" in line:
        line["err"] = line.pop("exception")
    return line
