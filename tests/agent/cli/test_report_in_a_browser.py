"""The report as a browser shows it: asks nobody, fits on any page, is legible in the dark, and needs no pointer."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import sample_decisions
from lab.browser import Browser, Page, Scheme, browser
from lab.tools import MissingToolError, require_browser
from oompolicy_agent.cli.page import page

SAMPLES = {name.lower(): getattr(sample_decisions, name) for name in sample_decisions.__all__ if name.isupper()}
Show = Callable[..., Page]
COMBINED = [
    *itertools.product(SAMPLES, [(1280, "light"), (400, "dark")]),
    ("shop", (1280, "dark")),
    ("shop", (400, "light")),
]
"""What no width changes is seen on one of each, and all that there is on each width in each scheme."""
EVERY = [pytest.param((name, *shape), id=f"{name}-{shape[0]}-{shape[1]}") for name, shape in COMBINED]
CELLS = ".icicle > ul a"


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    try:
        require_browser()
    except MissingToolError as error:
        pytest.skip(str(error))
    with browser() as started:
        yield started


@pytest.fixture(scope="module", params=EVERY)
def shown(request: pytest.FixtureRequest, running: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Every sample on every width in every scheme, each opened once."""
    name, width, scheme = request.param
    file = written(tmp_path_factory.mktemp("report") / "report.html", name)
    with running.showing(file, width=width, scheme=scheme) as opened:
        yield opened


@pytest.fixture
def show(running: Browser, tmp_path: Path) -> Iterator[Show]:
    """Opens one of the samples."""
    with ExitStack() as opened:
        yield lambda name, width, scheme, height=900: opened.enter_context(
            running.showing(written(tmp_path / f"{name}.html", name), width=width, height=height, scheme=scheme)
        )


def written(file: Path, name: str) -> Path:
    file.write_text(page(SAMPLES[name]), encoding="utf-8")
    return file


def tabbed(shown: Page) -> list[tuple[str, str]]:
    """Role and name of all that Tab comes to, until it has left the page."""
    found = []
    shown.press("Tab")
    while (stop := shown.focused())[0] != "none":
        found.append(stop)
        shown.press("Tab")
    return found


def test_it_asks_nobody_and_complains_of_nothing(shown: Page) -> None:
    assert shown.console == []
    assert [url.rpartition("/")[2] for url in shown.requests] == ["report.html"]


def test_nothing_sticks_out_of_its_box_or_of_the_page(shown: Page) -> None:
    assert shown.evaluate("document.documentElement.scrollWidth == innerWidth")
    assert shown.facts("outside()") == []
    assert shown.facts("overlaps('.axis span, .chart .unit')") == []


def test_every_word_stands_out_from_what_is_behind_it(shown: Page) -> None:
    assert shown.facts("faint()") == []


@pytest.mark.parametrize(
    ("scheme", "is_dark"), [pytest.param("light", False, id="light"), pytest.param("dark", True, id="dark")]
)
def test_it_is_dark_where_the_reader_wants_it_dark(show: Show, scheme: Scheme, is_dark: bool) -> None:
    luminance = show("shop", 1280, scheme).facts("behind(document.body).map(([red]) => red)[0]")
    assert (luminance < 128) is is_dark


def test_it_has_one_heading_a_language_and_no_link_into_nothing(shown: Page) -> None:
    assert shown.evaluate("[document.documentElement.lang, document.compatMode]") == ["en", "CSS1Compat"]
    (heading,) = shown.evaluate("[...document.querySelectorAll('h1')].map((one) => one.textContent)")
    assert heading == shown.evaluate("document.title") != ""
    assert shown.evaluate("[...document.links].filter((one) => !document.querySelector(one.hash)).length") == 0
    ids = shown.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_every_table_says_what_it_is_and_what_each_column_is(shown: Page) -> None:
    told = shown.evaluate(
        "[...document.querySelectorAll('table')].map((one) => [one.caption?.textContent ?? '',"
        " one.querySelectorAll('thead th[scope=col]').length,"
        " [...one.tBodies[0].rows].every((row) => row.querySelectorAll('th[scope=row]').length == 1)])"
    )
    assert all(caption and columns >= 2 and rows for caption, columns, rows in told)


def test_every_box_is_reached_by_tab_and_says_what_it_is(shown: Page) -> None:
    stops = tabbed(shown)
    cells = [said for role, said in stops if role == "link"]
    assert len(cells) == shown.evaluate(f"document.querySelectorAll('{CELLS}').length")
    assert all("MiB" in said or "GiB" in said or "not recorded" in said or "not name" in said for said in cells)
    way = [said for said in cells if "on the way to the victim" in said]
    assert len(way) == shown.evaluate("document.querySelectorAll('.icicle > ul .chosen').length")


@pytest.mark.parametrize("name", ["long", "many"])
def test_the_box_that_has_the_focus_says_all_of_it_beside_itself(show: Show, name: str) -> None:
    shown = show(name, 400, "dark", height=640)
    for _ in range(5):
        shown.press("Tab")
        box, tip = shown.evaluate(
            "[document.activeElement, document.activeElement.querySelector('.tip')].map((one) =>"
            " (({left, right, top, bottom}) => [left, right, top, bottom])(one.getBoundingClientRect()))"
        )
        assert tip[:2] == [0, 400]
        assert 0 <= box[2] < box[3] <= tip[2] < tip[3] <= 640
        assert (shown.facts("faint()"), shown.facts("outside()")) == ([], [])


def test_the_numbers_behind_the_picture_open_from_the_keyboard(show: Show) -> None:
    shown = show("shop", 400, "dark")
    while shown.focused()[0] != "DisclosureTriangle":
        shown.press("Tab")
    shown.press("Enter")
    assert shown.evaluate("document.querySelector('details').open") is True
    rows = shown.evaluate("document.querySelectorAll('details tbody tr').length")
    assert rows == len(sample_decisions.SHOP.spec.samples)
    assert (shown.facts("faint()"), shown.facts("outside()")) == ([], [])


def test_a_box_is_as_wide_as_what_it_uses(show: Show) -> None:
    widths = dict(
        show("shop", 1280, "light").evaluate(
            f"[...document.querySelectorAll('{CELLS}')].map((one) =>"
            " [one.querySelector('.name').textContent, one.getBoundingClientRect().width])"
        )
    )
    assert widths["hog"] / widths["batch-7f9c"] == pytest.approx(1100 / 250, rel=0.03)
    assert widths["burstable"] / widths["hog"] == pytest.approx(900 / 1100, rel=0.03)


@pytest.mark.parametrize("name", ["shop", "many", "kernel", "own_limit"])
def test_the_way_leads_down_to_the_victim_without_a_gap(show: Show, name: str) -> None:
    shown = show(name, 1280, "light")
    boxes = shown.evaluate(
        "[...document.querySelectorAll('.icicle > ul li.chosen > a')].map((one) =>"
        " (({left, right, top, bottom}) => [left, right, top, bottom])(one.getBoundingClientRect()))"
    )
    victim = SAMPLES[name].spec.victim
    assert victim
    assert victim.path in shown.evaluate("[...document.querySelectorAll('.chosen > a > .tip')].pop().textContent")
    assert len(boxes) >= 3
    for (left, right, _, bottom), (below_left, below_right, below_top, _) in itertools.pairwise(boxes):
        assert left <= below_left < below_right <= right
        assert 0 < below_top - bottom < 12


WRONG = """<!DOCTYPE html><title>Wrong</title><style>
p { width: 9em; color: #888; background: #fff } b::before { content: "aside"; color: #999 }
i { background: linear-gradient(#fff, #000) }
</style><p>faint</p><b></b><i>stripes</i><div style="width: 1em">oversized</div>
<div style="margin-left: 90em">away</div><script>console.log("noise"); throw Error("broken")</script>
<img alt="" src="http://192.0.2.1/a.png">"""


def test_what_is_wrong_with_a_page_is_found(running: Browser, tmp_path: Path) -> None:
    (tmp_path / "wrong.html").write_text(WRONG)
    with running.showing(tmp_path / "wrong.html", width=400) as shown:
        faint, outside, console = shown.facts("faint()"), shown.facts("outside()"), "".join(shown.console)
        assert [word for word in ("p.", "::before", "stripes") if not any(word in one for one in faint)] == []
        assert [word for word in ("oversized", "away") if not any(word in one for one in outside)] == []
        assert [word for word in ("noise", "broken", "ERR_PROXY") if word not in console] == []
        assert "http://192.0.2.1/a.png" in shown.requests
