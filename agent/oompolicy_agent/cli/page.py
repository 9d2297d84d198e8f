"""One decision as one page that needs nothing else: no network, no script. Pure but for its own style sheet."""

from html import escape
from importlib.resources import files

from oompolicy_agent.cli.decisions import victim_name
from oompolicy_agent.cli.icicle import icicle
from oompolicy_agent.explain import amount, place
from oompolicy_api.decision import DecidedVictim, OOMDecision, OOMDecisionSpec

__all__ = ["page"]

COLUMNS = (("", "number"), ("Who", ""), ("Priority", "number"), ("Rule", ""), ("Used", "number"))
NOTHING = "-"


def page(decision: OOMDecision) -> str:
    """An HTML document."""
    spec = decision.spec
    style = (files("oompolicy_agent.cli") / "page.css").read_text(encoding="utf-8")
    title = _title(spec)
    picture = (
        f"<figure>{icicle(spec)}<figcaption>{CAPTION}</figcaption></figure>" if spec.layers else f"<p>{NO_LAYERS}</p>"
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title><style>{style}</style></head><body><main>
<h1>{escape(title)}</h1>
<p class="why">{escape(spec.why or "")}</p>
{_facts(decision)}
<h2>From the domain down to the victim</h2>
{picture}
<h2 id="order">The order</h2>
{_order(spec)}
<h2>How long it took</h2>
{_times(spec)}
</main></body></html>
"""


CAPTION = (
    "As wide as what is known to be used in it; hatched: not recorded. The redder, the lower the priority. "
    "The line leads to whom it was."
)
NO_LAYERS = "What it was chosen from is not recorded."


def _title(spec: OOMDecisionSpec) -> str:
    who = victim_name(spec.victim) if spec.victim else "nobody"
    return f"{spec.outcome}: {who} on {spec.node}"


def _facts(decision: OOMDecision) -> str:
    spec, trigger = decision.spec, decision.spec.trigger
    policy = f"{spec.policy.name}, generation {spec.policy.generation}" if spec.policy else None
    facts = {
        "When": f"{spec.time:%Y-%m-%d %H:%M:%S} UTC",
        "What ran out": place(spec.domain),
        "Policy": policy,
        "Backend": spec.backend,
        "Mode": spec.mode,
        "Trigger": trigger.reason if trigger else None,
        "Left": _amount(trigger.margin_bytes if trigger else None),
        "Threshold": _amount(trigger.threshold_bytes if trigger else None),
        "Growth per second": _amount(trigger.growth_bytes_per_second if trigger else None),
        "Given back": _amount(spec.freed_bytes),
        "Record": decision.metadata.name,
    }
    items = "".join(
        f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items() if value is not None
    )
    return f"<dl>{items}</dl>"


def _order(spec: OOMDecisionSpec) -> str:
    head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in COLUMNS)
    rows = "".join(_row(number, one, spec) for number, one in enumerate(spec.ranking, 1))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else f"<p>{NO_LAYERS}</p>"


def _row(number: int, one: DecidedVictim, spec: OOMDecisionSpec) -> str:
    is_victim = spec.victim is not None and one.path == spec.victim.path
    priority = NOTHING if one.priority is None else one.priority
    cells = (number, victim_name(one), priority, one.rule or NOTHING, _amount(one.usage_bytes) or NOTHING)
    shown = "".join(
        f'<td class="{kind}">{escape(str(cell))}</td>' for cell, (_, kind) in zip(cells, COLUMNS, strict=True)
    )
    return f"<tr{' class=victim' if is_victim else ''}>{shown}</tr>"


def _times(spec: OOMDecisionSpec) -> str:
    steps = {
        "shortage until the signal": spec.shortage_to_signal_milliseconds,
        "signal until the last process had gone": spec.signal_to_empty_milliseconds,
        "signal until memory was back": spec.signal_to_freed_milliseconds,
    }
    known = {name: took for name, took in steps.items() if took is not None}
    if not known:
        return "<p>That was not measured.</p>"
    longest = max(known.values()) or 1
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="number">{took} ms</td>'
        f'<td><meter min="0" max="{longest}" value="{took}">{took} ms</meter></td></tr>'
        for name, took in known.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _amount(size: int | None) -> str | None:
    return None if size is None else amount(size)
