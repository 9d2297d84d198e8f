"""`kubectl oompolicy decisions` and `decision NAME`: who died on which node, and layer by layer why."""

import argparse
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from oompolicy_agent.cli.live import Cluster, CommandError, add_cluster
from oompolicy_agent.cli.printing import Cell, Printer, add_output, bad, good, plain, warned
from oompolicy_agent.explain import amount, called, place
from oompolicy_api.decision import DecidedVictim, OOMDecision

__all__ = ["about", "add", "ago", "found_by_name", "told", "victim_name"]

COLUMNS = ("TIME", "NODE", "OUTCOME", "VICTIM", "PRIORITY", "RULE", "BACKEND", "FREED")
WIDE = ("NAME", "WHY")
LONGEST = timedelta(days=3650)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LABELS = {"node": "node", "policy": "policy", "namespace": "victim-namespace", "pod": "victim-pod"}
"""Which option is which label of ours."""
DONE, KERNEL_KILLED = ("Killed", "WouldKill"), "KernelKilled"


def add(commands: Any) -> None:  # noqa: ANN401 - argparse has no public type for it
    """Their parsers."""
    several = commands.add_parser(
        "decisions", help="who died, or would have, across nodes", description="Lists decisions, the oldest first."
    )
    several.add_argument("-n", "--namespace", help="of the victim")
    several.add_argument("--pod", help="the victim's name")
    several.add_argument("--node", help="where it was decided")
    several.add_argument("--policy", help="which decided")
    several.add_argument("--outcome", help="Killed, WouldKill, Futile, GaveUp, KernelKilled, NothingEligible, ...")
    several.add_argument("--since", type=ago, metavar="AGE", help="not older than this: 30m, 2h, 7d")
    several.set_defaults(run=run_several)
    one = commands.add_parser(
        "decision", help="one of them, layer by layer", description="Shows one decision, layer by layer."
    )
    one.add_argument("name", help="of the OOMDecision: see `kubectl oompolicy decisions -o wide`")
    one.set_defaults(run=run_one)
    for command in (several, one):
        add_cluster(command)
        add_output(command)


def run_several(options: argparse.Namespace) -> None:
    """Prints them."""
    printer = Printer(options.output)
    given = {label: vars(options)[option] for option, label in LABELS.items() if vars(options)[option]}
    found = [one for one in Cluster(options).decisions(given) if _fits(one, options.outcome, options.since)]
    if printer.is_document:
        printer.document({"decisions": [_document(one) for one in found]})
        return
    columns = (*COLUMNS, *WIDE) if printer.is_wide else COLUMNS
    printer.table(columns, ([*_row(one), *(_more(one) if printer.is_wide else [])] for one in found))


def run_one(options: argparse.Namespace) -> None:
    """Prints it."""
    printer = Printer(options.output)
    found = found_by_name(Cluster(options), options.name)
    if printer.is_document:
        printer.document(_document(found))
        return
    for line in told(found):
        printer.line(line)


def found_by_name(cluster: Cluster, name: str) -> OOMDecision:
    """The decision of that name in any namespace; raises CommandError."""
    found = next(iter(cluster.decisions(name=name)), None)
    if found is None:
        raise CommandError(f"expected an OOMDecision {name}, found none: see kubectl oompolicy decisions -o wide")
    return found


def told(decision: OOMDecision) -> Iterator[Cell]:
    """One decision for people, line by line."""
    spec, victim = decision.spec, decision.spec.victim
    what = f"{victim_name(victim)} ({_standing(victim)})" if victim else "nobody"
    yield f"{_outcome(spec.outcome)}: [bold]{plain(what)}[/] on {plain(spec.node)} at {spec.time:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  {plain(place(spec.domain))} ran out of memory; {plain(_decider(decision))}"
    if trigger := spec.trigger:
        left, below = (_amount(size) for size in (trigger.margin_bytes, trigger.threshold_bytes))
        yield f"  {plain(trigger.reason)}: {left} left, threshold {below}"
    if victim and victim.process:
        yield f"  of the container only the process {plain(victim.process)}"
    if spec.why:
        yield f"  {plain(spec.why)}"
    for layer in spec.layers:
        spared = f"spared {layer.spared_count or len(layer.spared)}: {', '.join(layer.spared)}" if layer.spared else ""
        yield f"  in {plain(layer.parent)}: {plain(layer.chosen)} by {plain(layer.decided_by)}; {plain(spared)}"
    for place_in_order, one in enumerate(spec.ranking, 1):
        yield f"  {place_in_order}. {plain(victim_name(one))}, {plain(_standing(one))}"
    if spec.freed_bytes:
        yield f"  {amount(spec.freed_bytes)} were freed"


def _decider(decision: OOMDecision) -> str:
    spec = decision.spec
    policy = f"policy {spec.policy.name}, generation {spec.policy.generation}" if spec.policy else "no policy"
    if spec.outcome != KERNEL_KILLED:
        return f"decided by {policy}, {spec.backend or 'backend unknown'}"
    agreed = {True: f"{policy} would have, too", False: f"{policy} would have taken another one"}
    said = "whether the policy would have is not known" if spec.agreed is None else agreed[spec.agreed]
    return f"the kernel decided; {said}"


def _amount(size: int | None) -> str:
    return "an unknown amount" if size is None else amount(size)


def victim_name(victim: DecidedVictim) -> str:
    """For people: namespace/pod/container, or the path."""
    return called(victim.path, victim.namespace, victim.pod, victim.container)


def _standing(victim: DecidedVictim) -> str:
    standing = "protected" if victim.priority is None else f"priority {victim.priority}"
    used = "" if victim.usage_bytes is None else f", {amount(victim.usage_bytes)}"
    return f"{standing} by {f'rule {victim.rule}' if victim.rule else victim.source or 'default'}{used}"


def _row(decision: OOMDecision) -> list[Cell]:
    spec = decision.spec
    victim = spec.victim
    return [
        f"{spec.time:%Y-%m-%dT%H:%M:%SZ}",
        plain(spec.node),
        _outcome(spec.outcome),
        plain(victim and victim_name(victim)),
        plain(victim and victim.priority),
        plain(victim and victim.rule),
        plain(spec.backend),
        plain(spec.freed_bytes and amount(spec.freed_bytes)),
    ]


def _more(decision: OOMDecision) -> list[Cell]:
    return [plain(decision.metadata.name), plain(decision.spec.why)]


def _outcome(outcome: str) -> Cell:
    if outcome in DONE:
        return good(outcome)
    return bad(outcome) if outcome == KERNEL_KILLED else warned(outcome)


def _document(decision: OOMDecision) -> dict[str, Any]:
    fields = decision.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"name": decision.metadata.name, **fields}


def _fits(decision: OOMDecision, outcome: str | None, since: datetime | None) -> bool:
    return (outcome is None or decision.spec.outcome == outcome) and (since is None or decision.spec.time >= since)


def ago(text: str) -> datetime:
    """When that age began, for example of `30m`; raises argparse.ArgumentTypeError."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a number and s, m, h or d, for example 30m; found {text!r}")
    return datetime.now(UTC) - min(timedelta(**{UNITS[found[2]]: int(found[1])}), LONGEST)


def about(decisions: Iterable[OOMDecision], namespace: str, pod: str) -> list[OOMDecision]:
    """Those in which a pod died, or stood in the order."""
    wanted = (namespace, pod)

    def names(decision: OOMDecision) -> set[tuple[str | None, str | None]]:
        victims = [*decision.spec.ranking, *([decision.spec.victim] if decision.spec.victim else [])]
        return {(one.namespace, one.pod) for one in victims}

    return [one for one in decisions if wanted in names(one)]
