"""`kubectl oompolicy rank NODE`: who would die now, first to die first, as the guard of that node sees it."""

import argparse
import itertools
import time
from collections.abc import Iterator, Mapping
from typing import Any

from oompolicy_agent.cli.forward import asked, forwarded
from oompolicy_agent.cli.live import Cluster, CommandError, add_cluster
from oompolicy_agent.cli.printing import Printer, add_output, plain
from oompolicy_agent.explain import amount, why
from oompolicy_agent.inspection import PORT
from oompolicy_agent.model import Candidate, DecidedBy, TieBreak
from oompolicy_agent.select import victims
from oompolicy_agent.snapshot_json import SnapshotError, parsed

__all__ = ["add", "entries"]

COLUMNS = ("", "POD", "CONTAINER", "PRIORITY", "RULE", "USAGE", "DECIDED BY")
WIDE = ("WHY",)
MOST_SHOWN = 20
WATCH_SECONDS = 2.0


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Its parser."""
    text = "who would die now on a node, in order, and which layer decides"
    command = commands.add_parser(
        "rank",
        help=text,
        description=f"Shows {text}. The node's agent is asked through kubectl port-forward, so that has to be allowed.",
    )
    command.add_argument("node", help="its name")
    command.add_argument("--limit", type=int, default=MOST_SHOWN, metavar="N", help="default: %(default)s; 0: all")
    command.add_argument("-w", "--watch", action="store_true", help="go on showing it, every two seconds")
    add_cluster(command)
    add_output(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints it, once or until it is interrupted."""
    printer = Printer(options.output)
    namespace, pod = Cluster(options).agent_on(options.node)
    with forwarded(options, namespace, pod, PORT) as port:
        _show(printer, options, asked(port))
        while options.watch:
            time.sleep(WATCH_SECONDS)
            answer = asked(port)
            printer.clear()
            _show(printer, options, answer)


def entries(answer: Mapping[str, Any], most: int | None) -> Iterator[dict[str, Any]]:
    """The first of the order, with whose each is and why it comes before the next; raises CommandError."""
    try:
        snapshot = parsed(answer["snapshot"])
    except (KeyError, SnapshotError) as error:
        raise CommandError(f"expected a tree of memcgs from the agent, found something else: {error}") from error
    known = answer.get("victims") or {}
    for one in itertools.islice(victims(snapshot), most):
        yield _entry(one, known.get(one.path) or {}, snapshot.tie_break)


def _entry(one: Candidate, whose: Mapping[str, Any], tie_break: TieBreak) -> dict[str, Any]:
    contested = [layer for layer in one.layers if layer.decided_by is not DecidedBy.ONLY_CHILD]
    return {
        "path": one.path,
        **{key: whose.get(key) for key in ("namespace", "pod", "container", "rule", "source")},
        "priority": one.key.priority,
        "usageBytes": one.memcg.usage_bytes,
        "decidedBy": contested[-1].decided_by.value if contested else DecidedBy.ONLY_CHILD.value,
        "why": why(one, tie_break),
    }


def _show(printer: Printer, options: argparse.Namespace, answer: Mapping[str, Any]) -> None:
    found = list(entries(answer, options.limit or None))
    if printer.is_document:
        head = {key: answer.get(key) for key in ("time", "backend", "policy")}
        printer.document({"node": options.node, **head, "order": found})
        return
    columns = (*COLUMNS, *WIDE) if printer.is_wide else COLUMNS
    printer.table(columns, (_row(number, one, printer) for number, one in enumerate(found, 1)))
    all_of_them = len(answer["snapshot"]["cgroups"])
    printer.line(plain(f"{options.node} at {answer.get('time')}, {all_of_them} memcgs; by {answer.get('backend')}"))


def _row(number: int, one: Mapping[str, Any], printer: Printer) -> list[str]:
    name = f"{one['namespace']}/{one['pod']}" if one["pod"] else one["path"]
    row = [name, one["container"], one["priority"], one["rule"], amount(one["usageBytes"]), one["decidedBy"]]
    return [str(number), *map(plain, row), *([plain(one["why"])] if printer.is_wide else [])]
