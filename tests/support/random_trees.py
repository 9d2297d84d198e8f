"""Random trees of memcgs for hypothesis: with so few different numbers in them that ties are common.

Hypothesis draws the size and a seed; the tree is made from the seed. So a failing tree shrinks in its size only, but
thousands of trees are tried in the time of hundreds, and rare constellations do come up.
"""

from random import Random

from hypothesis import strategies as st

from oompolicy_agent.model import Memcg, Snapshot, TieBreak

__all__ = ["ancestors_of", "domains_of", "is_below", "snapshots"]

_DEEPEST = 4


@st.composite
def snapshots(draw: st.DrawFn, largest: int = 20) -> Snapshot:
    """A snapshot with flags anywhere, ancestors listed or not, and any memcg or unlisted ancestor as its domain."""
    size = draw(st.integers(1, largest))
    return _snapshot(Random(draw(st.integers(0, 2**64 - 1))), size)  # noqa: S311 - hypothesis must be able to repeat it


def ancestors_of(path: str) -> list[str]:
    """The paths above `path`, the root included, and `path` itself."""
    names = path.strip("/").split("/") if path != "/" else []
    return ["/", *("/" + "/".join(names[:count]) for count in range(1, len(names) + 1))]


def domains_of(memcgs: tuple[Memcg, ...]) -> list[str]:
    """Every path that can be a domain; the root first, which hypothesis then prefers."""
    return sorted({"/"}.union(*(ancestors_of(memcg.path) for memcg in memcgs)))


def is_below(path: str, top: str) -> bool:
    """Whether `path` is somewhere below `top`."""
    return path != top and path.startswith(top.rstrip("/") + "/")


def _snapshot(random: Random, size: int) -> Snapshot:
    paths = _paths(random, size)
    listed = [path for path in paths if random.random() < 0.7 or not any(is_below(other, path) for other in paths)]
    ids = random.sample(range(1, 3 * len(listed) + 1), len(listed))
    few_flags = random.choice((0, 0.05, 0.2))
    memcgs = tuple([_memcg(random, path, number, few_flags) for path, number in zip(listed, ids, strict=True)])
    domain = random.choice(("/", random.choice(domains_of(memcgs))))
    return Snapshot(domain, memcgs, random.randint(-1, 2), random.choice(list(TieBreak)))


def _paths(random: Random, size: int) -> list[str]:
    """The root and `size` paths under it, each below an earlier one."""
    paths = ["/"]
    for number in range(size):
        parent = random.choice([path for path in paths if path.count("/") < _DEEPEST])
        paths.append(f"{parent.rstrip('/')}/{'abcdefgh'[number % 8]}{number}")
    return paths


def _memcg(random: Random, path: str, number: int, few: float) -> Memcg:
    priority = random.choice((None, None, 1, 2))
    return Memcg(
        path,
        number,
        priority,
        usage_bytes=random.randint(0, 4),
        request_bytes=random.randint(0, 4),
        protected=random.random() < few,
        killable=random.random() >= few,
        unit=random.random() < few,
        known=priority is not None or random.random() >= few,
    )
