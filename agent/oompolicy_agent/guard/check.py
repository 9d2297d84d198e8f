"""`oompolicy-guard check`: says what this host offers, which backend works on it, and why not a better one."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping

from oompolicy_agent.explain import readable
from oompolicy_agent.guard.assist_load import refusals
from oompolicy_agent.guard.features import Finding, Host, survey
from oompolicy_agent.guard.host_options import add_host_options, settings_from
from oompolicy_agent.guard.support import BACKEND, Reason, probe
from oompolicy_agent.guard.verdict import Answer

__all__ = ["add_arguments", "run"]

WORDS = {Answer.YES: "yes", Answer.NO: "no", Answer.UNKNOWN: "could not tell"}
COLOURS = {Answer.YES: "\033[32m", Answer.NO: "\033[31m", Answer.UNKNOWN: "\033[33m"}
"""Green, red, yellow."""
PLAIN = "\033[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the command."""
    add_host_options(parser)
    parser.add_argument("--sys", default="/sys", help="the host's sysfs (%(default)s)")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="text for people (default), or json")


def run(options: argparse.Namespace) -> int:
    """Prints what was found, then a line for each backend, best first; returns 0 if one works, else 1."""
    settings = settings_from(options)
    findings = survey(Host(settings.cgroup_root, settings.proc, options.sys.rstrip("/")))
    obstacle = probe(settings.cgroup_root, settings.proc).obstacle
    backends = {**refusals(settings.bpf_directory), BACKEND: obstacle}
    text = _json(findings, backends) if options.output == "json" else _text(findings, backends, in_colour=_in_colour())
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the interpreter must not flush into the pipe once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if obstacle else 0


def _in_colour() -> bool:
    """Only for a person's eyes, and only if that person wants it (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _text(findings: Iterable[Finding], backends: Mapping[str, Reason | None], *, in_colour: bool) -> str:
    """With a line for each backend, and what stands against it."""
    lines = [_finding_line(finding, in_colour=in_colour) for finding in findings]
    for backend, reason in backends.items():
        answer = Answer.NO if reason else Answer.YES
        why = f" ({reason.reason}): {reason.message}" if reason else ""
        lines.append(f"{backend}: {_word(answer, in_colour=in_colour)}{readable(why)}")
    return "\n".join(lines) + "\n"


def _finding_line(finding: Finding, *, in_colour: bool) -> str:
    verdict = finding.verdict
    word = _word(verdict.answer, in_colour=in_colour and not finding.is_information)
    return ": ".join(part for part in (finding.title, word, readable(verdict.message)) if part)


def _word(answer: Answer, *, in_colour: bool) -> str:
    return f"{COLOURS[answer]}{WORDS[answer]}{PLAIN}" if in_colour else WORDS[answer]


def _json(findings: Iterable[Finding], backends: Mapping[str, Reason | None]) -> str:
    features = [
        {"feature": finding.feature, "answer": finding.verdict.answer.value, "message": finding.verdict.message}
        for finding in findings
    ]
    answers = [
        {
            "backend": backend,
            "works": reason is None,
            "reason": reason.reason if reason else None,
            "message": reason.message if reason else "",
        }
        for backend, reason in backends.items()
    ]
    return json.dumps({"features": features, "backends": answers}, indent=1) + "\n"
