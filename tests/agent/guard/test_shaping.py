"""Which oom_score_adj makes the kernel's choice ours: its arithmetic is repeated here, on containers of one process."""

from dataclasses import dataclass, replace
from mmap import PAGESIZE

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oompolicy_agent.guard.layout import Kind, Place
from oompolicy_agent.guard.shaping import FIRST, LAST, PROTECTED, wanted
from oompolicy_agent.guard.snapshot import Facts
from oompolicy_agent.guard.targets import ContainerTarget, PodTarget, Policy, Targets

MIB = 1 << 20
GIB = 1 << 30
TOTAL = 4 * GIB
HASH = "8f14e45fceea167a5a36dedd4bea2543"
POLICY = Policy("mixed", "6f1c", 1, "Enforce", default_priority=500)

law = settings(derandomize=True, database=None, deadline=None, max_examples=300)


@dataclass(frozen=True)
class Pod:
    """A pod with one container (and its sandbox) of one process."""

    name: str
    priority: int | None
    usage: int
    protect: str | None = None
    request: int = 0
    is_told: bool = True


def tree(*pods: Pod) -> list[Place]:
    places = [Place("/system.slice", 2, Kind.HOST), Place("/kubepods", 3, Kind.TOP)]
    for number, pod in enumerate(pods, start=1):
        path = f"/kubepods/pod{pod.name}"
        places += [
            Place(path, number * 10, Kind.POD, pod.name),
            Place(f"{path}/{pod.name}-main", number * 10 + 1, Kind.CONTAINER, pod.name, f"{pod.name}-main"),
            Place(f"{path}/{pod.name}-pause", number * 10 + 2, Kind.CONTAINER, pod.name, f"{pod.name}-pause"),
            Place(f"{path}/crio-conmon-x", number * 10 + 3, Kind.HELPER, pod.name, "crio-conmon-x"),
        ]
    return places


def targets(*pods: Pod) -> Targets:
    told = [
        PodTarget(
            pod.name,
            "shop",
            pod.name,
            pod.priority,
            pod.protect,
            request_bytes=pod.request,
            containers={f"{pod.name}-main": ContainerTarget("main", f"{pod.name}-main")},
        )
        for pod in pods
        if pod.is_told
    ]
    return Targets(POLICY, {pod.uid: pod for pod in told})


def facts(*pods: Pod) -> Facts:
    return Facts(
        roles={
            f"{pod.name}-{role}": kind for pod in pods for role, kind in (("main", "container"), ("pause", "sandbox"))
        },
        usage={number * 10 + 1: pod.usage for number, pod in enumerate(pods, start=1)},
    )


def shape(*pods: Pod, total: int = TOTAL) -> dict[str, int]:
    """The wanted value by pod's name."""
    found = wanted(tree(*pods), targets(*pods), facts(*pods), total)
    return {path.split("/")[2].removeprefix("pod"): value for path, (_, value) in found.items()}


def badness(pod: Pod, value: int, total: int) -> int:
    """The kernel's own arithmetic: pages, and whole pages per thousandth."""
    return pod.usage // PAGESIZE + value * (total // PAGESIZE // 1000)


def kernel_order(pods: list[Pod], values: dict[str, int], total: int = TOTAL) -> list[Pod]:
    """Whom the kernel would kill, one after the other."""
    return sorted(pods, key=lambda pod: badness(pod, values[pod.name], total), reverse=True)


def rank(pod: Pod) -> int:
    """What the policy compares the pod by: the protected come last."""
    return 1 << 31 if pod.priority is None else pod.priority


@st.composite
def nodes(draw: st.DrawFn, *, full: bool = False) -> tuple[list[Pod], int]:
    """Pods on a node, and its size; everybody together holds no more than there is."""
    total = draw(st.integers(512 * MIB, 64 * GIB))
    shares = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
    priorities = draw(st.lists(st.none() | st.integers(-20, 20), min_size=len(shares), max_size=len(shares)))
    held = total - total // 10 if full else draw(st.integers(0, total))
    return [
        Pod(f"p{number}", priority, held * share // max(1, sum(shares)), None if priority is not None else "Always")
        for number, (share, priority) in enumerate(zip(shares, priorities, strict=True))
    ], total


def test_raises_the_first_victim_and_lowers_the_protected() -> None:
    values = shape(Pod("batch", 10, 250 * MIB), Pod("hog", 100, 0), Pod("crit", None, 300 * MIB, "Always"))
    assert (values["batch"], values["crit"]) == (FIRST, PROTECTED)
    assert LAST <= values["hog"] < FIRST


@law
@given(nodes())
def test_by_what_they_use_the_kernel_takes_class_after_class_and_the_protected_last(
    node: tuple[list[Pod], int],
) -> None:
    pods, total = node
    ranks = [rank(pod) for pod in kernel_order(pods, shape(*pods, total=total), total)]
    assert ranks == sorted(ranks)


@law
@given(nodes(full=True), st.data())
def test_the_first_class_stays_first_whoever_takes_what_is_free(
    node: tuple[list[Pod], int], data: st.DataObject
) -> None:
    """A tenth of the node is free or the host's; a fiftieth is what rounding may cost."""
    pods, total = node
    values = shape(*pods, total=total)
    grower = data.draw(st.integers(0, len(pods) - 1))
    pods[grower] = replace(pods[grower], usage=pods[grower].usage + total // 10 - total // 50)
    assert rank(kernel_order(pods, values, total)[0]) == min(map(rank, pods))


@law
@given(nodes())
def test_candidates_stay_above_the_services_of_the_host(node: tuple[list[Pod], int]) -> None:
    pods, total = node
    values = shape(*pods, total=total)
    assert all(values[pod.name] >= LAST - 1 for pod in pods if pod.priority is not None)


def test_two_hundred_classes_are_two_hundred_values() -> None:
    pods = [Pod(f"p{number}", number, TOTAL // 250) for number in range(200)]
    values = shape(*pods)
    assert [pod.priority for pod in kernel_order(pods, values)] == list(range(200))


def test_where_the_range_does_not_suffice_the_first_and_the_protected_are_right() -> None:
    """Memory that is counted more than once: shared, or charged since it was measured."""
    pods = [Pod(f"p{number}", number, TOTAL * 6 // 10) for number in range(6)]
    safe = Pod("safe", None, TOTAL * 6 // 10, "Always")
    values = shape(*pods, safe)
    order = kernel_order([*pods, safe], values)
    assert [order[0], order[1], order[2], order[-1]] == [pods[0], pods[1], pods[2], safe]
    assert [values[pod.name] for pod in pods] == sorted((values[pod.name] for pod in pods), reverse=True)
    assert all(PROTECTED < value <= FIRST for name, value in values.items() if name != "safe")


def test_what_is_protected_is_safe_however_large_it_is_said_to_be() -> None:
    pods = [Pod("a", 1, 0), Pod("b", 2, 3 * TOTAL), Pod("safe", None, 3 * TOTAL, "Always")]
    assert shape(*pods) == {"a": FIRST, "safe": PROTECTED, "b": FIRST}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(100 * MIB, PROTECTED, id="up-to-its-request"),
        pytest.param(100 * MIB + 1, FIRST, id="beyond-it-with-the-default-priority"),
    ],
)
def test_protection_up_to_the_request(usage: int, expected: int) -> None:
    assert shape(Pod("a", None, usage, "Request", request=100 * MIB), Pod("b", 900, MIB))["a"] == expected


def test_only_containers_that_the_node_was_told_about_are_touched() -> None:
    pods = (Pod("told", 5, MIB), Pod("stranger", None, GIB, is_told=False), Pod(HASH, None, GIB, is_told=False))
    assert list(wanted(tree(*pods), targets(*pods), facts(*pods), TOTAL)) == ["/kubepods/podtold/told-main"]


def test_a_static_pod_goes_by_its_target() -> None:
    assert shape(Pod(HASH, None, GIB, "Always"), Pod("a", 1, 0))[HASH] == PROTECTED


@pytest.mark.parametrize("protect", [None, "Always"], ids=["candidate", "protected"])
def test_the_guards_own_pod_is_left_alone(protect: str | None) -> None:
    pods = (Pod("own", None if protect else 1, MIB, protect), Pod("a", 5, MIB))
    known = replace(facts(*pods), own=frozenset({"own"}))
    assert list(wanted(tree(*pods), targets(*pods), known, TOTAL)) == ["/kubepods/poda/a-main"]


def test_first_victims_and_the_protected_come_first_where_not_all_can_be_adjusted() -> None:
    pods = [Pod("late", 900, MIB), Pod("safe", None, MIB, "Always"), Pod("first", 1, MIB), Pod("middle", 50, MIB)]
    assert list(shape(*pods)) == ["first", "safe", "middle", "late"]


def test_names_the_memcg_that_is_meant() -> None:
    assert wanted(tree(Pod("a", 1, 0)), targets(Pod("a", 1, 0)), facts(Pod("a", 1, 0)), TOTAL) == {
        "/kubepods/poda/a-main": (11, FIRST)
    }


def test_a_few_mebibytes_more_or_less_are_no_new_values() -> None:
    pods = [Pod("a", 1, 200 * MIB), Pod("b", 2, 300 * MIB), Pod("c", 3, 500 * MIB)]
    more = [replace(pod, usage=pod.usage + 4 * MIB) for pod in pods]
    assert shape(*more, total=TOTAL) == shape(*pods, total=TOTAL)


def test_of_an_unknown_size_nothing_is_said() -> None:
    assert shape(Pod("a", 1, 0), total=0) == {}


def test_without_pods_nothing_is_wanted() -> None:
    assert shape() == {}
