"""The chart's README is made from values.yaml, and every value says what it means."""

from chart import CHART
from chart_readme import README, described, page

VALUES = (CHART / "values.yaml").read_text()


def test_readme_is_made_from_the_values() -> None:
    assert README.read_text() == page(VALUES), "PYTHONPATH=tests/support python -m chart_readme"


def test_every_value_says_what_it_means() -> None:
    assert [one.path for one in described(VALUES) if not one.comment] == []
