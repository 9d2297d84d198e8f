"""One decision as one page that needs nothing else: no network, no script. Pure but for its own style sheet."""

from importlib.resources import files

from oompolicy_agent.cli.decisions import victim_name
from oompolicy_agent.cli.headline import choice, reason, size, standing, story, title
from oompolicy_agent.cli.icicle import icicle
from oompolicy_agent.cli.markup import text
from oompolicy_agent.cli.timeline import timeline
from oompolicy_agent.explain import place
from oompolicy_api.decision import DecidedVictim, OOMDecision, OOMDecisionSpec

__all__ = ["page"]

ORDER = (("", "number"), ("Who", ""), ("Priority", "number"), ("Rule", ""), ("Used", "number"))
LAYERS = (("In", "part"), ("Chosen", "part"), ("Spared", ""), ("Because", "part"))
TIMES = (("From", ""), ("Took", "number"), ("", "bar"))
NOTHING = "-"
NO_LAYERS = "From whom it was chosen is not recorded."
NOTHING_ALLOWED = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may do besides its own style: if a tenant's name ever were more than text, still nothing."""


def page(decision: OOMDecision) -> str:
    """An HTML document."""
    spec = decision.spec
    style = (files("oompolicy_agent.cli") / "page.css").read_text(encoding="utf-8")
    threshold = spec.trigger.threshold_bytes if spec.trigger else None
    why = f'<p class="why"><b>Why:</b> {text(reason(spec))}</p>' if spec.why else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{NOTHING_ALLOWED}">
<title>{text(title(spec))}</title><style>{style}</style></head><body><main>
<h1>{text(title(spec))}</h1>
<p class="story">{text(story(spec))}</p>
{why}
{_facts(decision)}
{_choice(spec)}
<h2>Before and after</h2>
{timeline(spec.samples, threshold, "signal" if spec.tasks_signalled else "decision")}
<h2>How long it took</h2>
{_times(spec)}
</main></body></html>
"""


def _choice(spec: OOMDecisionSpec) -> str:
    """The tree, the layers and the order, as far as they are recorded."""
    if not spec.layers and not spec.ranking:
        return f"<p>{NO_LAYERS}</p>"
    parts = f'<h2 id="tree">The tree, and the way to the victim</h2>{icicle(spec)}'
    if rows := [_layer(choice(one, spec)) for one in spec.layers]:
        parts += f"<h2>Layer by layer</h2>{_table('From the domain down', LAYERS, rows)}"
    if rows := [_row(number, one, spec) for number, one in enumerate(spec.ranking, 1)]:
        parts += f"<h2>The order</h2>{_table('First to die first', ORDER, rows)}"
    return parts


def _facts(decision: OOMDecision) -> str:
    spec, trigger, victim = decision.spec, decision.spec.trigger, decision.spec.victim
    conditions = [one for one in decision.status.conditions if one.type == "Evicted"]
    facts = {
        "When": f"{spec.time:%Y-%m-%d %H:%M:%S} UTC",
        "Node": spec.node,
        "Victim": victim and victim_name(victim),
        "Process": victim and victim.process,
        "Standing": victim and standing(victim),
        "Used": size(victim.usage_bytes) if victim else None,
        "What ran out": place(spec.domain),
        "Trigger": trigger and trigger.reason,
        "Left": size(trigger.margin_bytes) if trigger else None,
        "Threshold": size(trigger.threshold_bytes) if trigger else None,
        "Growth per second": size(trigger.growth_bytes_per_second) if trigger else None,
        "Given back": size(spec.freed_bytes),
        "Processes signalled": spec.tasks_signalled,
        "Killed by the kernel meanwhile": spec.kernel_kills,
        "Evicted too": conditions[0].message if conditions else "asked for" if spec.evict else None,
        "Policy": f"{spec.policy.name}, generation {spec.policy.generation}" if spec.policy else "none",
        "Mode": spec.mode,
        "Backend": spec.backend,
        "Record": decision.metadata.name,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{text(value)}</dd></div>' for name, value in known.items())}</dl>"


def _table(caption: str, columns: tuple[tuple[str, str], ...], rows: list[str]) -> str:
    head = "".join(
        f'<th scope="col" class="{kind}">{name}</th>' if name else f'<td class="{kind}"></td>' for name, kind in columns
    )
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    parts = " parts" if columns is LAYERS else ""
    return f'<table class="folds{parts}"><caption>{caption}</caption>{body}</table>'


def _layer(cells: tuple[str, ...]) -> str:
    where, *others = cells
    shown = "".join(f"{_cell(name)}{text(cell)}</td>" for cell, (name, _) in zip(others, LAYERS[1:], strict=True))
    return f'<tr><th scope="row">{text(where)}</th>{shown}</tr>'


def _cell(name: str, kind: str = "") -> str:
    """The beginning of a cell that says itself what it holds: on a narrow page rows fold, without a heading above."""
    return f'<td class="{kind}" data-name="{name}">'


def _row(number: int, one: DecidedVictim, spec: OOMDecisionSpec) -> str:
    is_victim = spec.victim is not None and one.path == spec.victim.path
    priority = "protected" if one.priority is None else one.priority
    mark = ' <span class="badge">victim</span>' if is_victim else ""
    return (
        f'<tr id="order-{number}"{" class=victim" if is_victim else ""}><td class="number">{number}</td>'
        f'<th scope="row">{text(victim_name(one))}{mark}</th>{_cell("Priority", "number")}{priority}</td>'
        f"{_cell('Rule')}{text(one.rule or NOTHING)}</td>"
        f"{_cell('Used', 'number')}{size(one.usage_bytes) or NOTHING}</td></tr>"
    )


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
    rows = [
        f'<tr><th scope="row">{name}</th><td class="number">{took} ms</td>'
        f'<td class="bar"><span style="--share:{took / longest:.1%}"></span></td></tr>'
        for name, took in known.items()
    ]
    return _table("Each from its own beginning", TIMES, rows)
