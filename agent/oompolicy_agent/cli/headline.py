"""What happened, in a few sentences for people who were not there. Pure."""

from oompolicy_agent.cli.decisions import victim_name
from oompolicy_agent.cli.markup import named, names
from oompolicy_agent.explain import amount, place
from oompolicy_api.decision import DecidedVictim, Layer, OOMDecisionSpec, TriggerSeen

__all__ = ["choice", "reason", "size", "standing", "story", "title"]

TITLES = {
    "Killed": "Killed {who}",
    "Futile": "Killed {who}, and next to nothing came back",
    "GaveUp": "{who} would not die",
    "WouldKill": "Would have killed {who}",
    "NothingEligible": "Nobody could be killed",
    "KernelKilled": "The kernel killed {who}",
    "Interrupted": "Stopped while killing {who}",
}
ENDINGS = {
    "GaveUp": "It did not die in time.",
    "WouldKill": "Nothing was touched, because the policy is in mode Audit.",
    "NothingEligible": "Nothing that may be killed was found, so it was left to the kernel.",
    "Interrupted": "The agent was stopped before it saw whether that happened.",
}
TRIGGERS = {
    "MarginExhausted": "{margin} were left, less than half of the threshold of {threshold}",
    "GrowthExhausts": "{margin} were left, threshold {threshold}, and use grew by {growth} a second",
    "Stalled": "{margin} were left, threshold {threshold}, and processes stood still for memory",
    "KubeletWouldEvict": "{margin} were left, threshold {threshold}, and kubelet was about to evict",
}
AGREED = {True: "The policy would have chosen the same.", False: "The policy would have chosen another."}
DECIDED = {
    "OnlyChild": "nothing else in it could be killed",
    "Known": "the priority of the others was not known yet",
    "Priority": "it has the lowest priority",
    "TieBreak": "at equal priority the tie-break decided",
    "Id": "with all else equal it is the younger",
}
MOST_NAMED = 4


def title(spec: OOMDecisionSpec) -> str:
    """The heading."""
    who = victim_name(spec.victim) if spec.victim else "nobody"
    known = TITLES.get(spec.outcome)
    return f"{known.format(who=who) if known else f'{spec.outcome}: {who}'} on {spec.node}"


def story(spec: OOMDecisionSpec) -> str:
    """Whose shortage, what triggered, and what came of it."""
    shortage = f": {_trigger(spec.trigger)}" if spec.trigger else ""
    domain = place(spec.domain)
    freed = f"{amount(spec.freed_bytes)} came back." if spec.freed_bytes is not None else ""
    sentences = [f"{domain[0].upper()}{domain[1:]} ran out of memory{shortage}."]
    sentences += [ENDINGS.get(spec.outcome, ""), AGREED.get(spec.agreed, "") if spec.agreed is not None else "", freed]
    return " ".join(sentence for sentence in sentences if sentence)


def reason(spec: OOMDecisionSpec) -> str | None:
    """Why this one, with pods by their names."""
    return named(spec.why, names(spec.ranking)) if spec.why else None


def choice(layer: Layer, spec: OOMDecisionSpec) -> tuple[str, str, str, str]:
    """One comparison: where, who was chosen, who was spared, and what decided."""
    known, below = names(spec.ranking), f"{layer.parent.rstrip('/')}/"
    chosen, *spared = [named(path.removeprefix(below), known) for path in (layer.chosen, *layer.spared)]
    more = max(len(spared), layer.spared_count or 0) - MOST_NAMED
    listed = ", ".join(spared[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    where = place(layer.parent) if layer.parent == "/" else named(layer.parent, known)
    return where, chosen, listed or "nobody", DECIDED.get(layer.decided_by, layer.decided_by)


def standing(victim: DecidedVictim) -> str:
    """By what it was compared."""
    by = f"rule {victim.rule}" if victim.rule else f"source {victim.source}" if victim.source else "nothing known"
    return f"{'protected' if victim.priority is None else f'priority {victim.priority}'} by {by}"


def size(count: int | None) -> str | None:
    """Bytes as a person reads them; None where nobody measured."""
    return None if count is None else amount(count)


def _trigger(trigger: TriggerSeen) -> str:
    margin, threshold, growth = (
        "an unknown amount" if count is None else amount(count)
        for count in (trigger.margin_bytes, trigger.threshold_bytes, trigger.growth_bytes_per_second)
    )
    known = TRIGGERS.get(trigger.reason)
    return known.format(margin=margin, threshold=threshold, growth=growth) if known else trigger.reason
