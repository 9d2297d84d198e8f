"""`oompolicy-guard rank` prints the order of a recorded tree, and refuses a wrong one with one line."""

import argparse
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oompolicy_agent.guard import rank

SNAPSHOTS = Path(__file__).parents[1] / "data" / "snapshots"
RECORDED = sorted(path for path in SNAPSHOTS.glob("*.json") if not path.name.endswith(".order.json"))
TWO_TENANTS = SNAPSHOTS / "two-tenants.json"


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    rank.add_arguments(parser)
    return parser.parse_args(words)


def ranked(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert rank.run(arguments(*words)) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], file: Path | str) -> str:
    assert rank.run(arguments("--snapshot", str(file))) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


@pytest.mark.parametrize("recorded", [pytest.param(path, id=path.stem) for path in RECORDED])
def test_the_order_of_a_recorded_tree_is_the_one_kept_beside_it(
    capsys: pytest.CaptureFixture[str], recorded: Path
) -> None:
    printed = json.loads(ranked(capsys, "--snapshot", str(recorded), "--output", "json"))
    assert printed == json.loads(recorded.with_suffix(".order.json").read_text())


def test_json_is_exactly_the_public_format(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "tree.json"
    file.write_text("""{"domain": "/", "defaultPriority": 0, "tieBreak": "LargestUsage", "cgroups": [
      {"path": "/kubepods/besteffort/pod1/c1", "id": 41, "priority": 5, "usageBytes": 104857600, "requestBytes": 0,
       "protected": false, "killable": true, "unit": false, "known": true},
      {"path": "/kubepods/besteffort/pod2/c1", "id": 42, "priority": 6}]}""")
    order = json.loads(ranked(capsys, "--snapshot", str(file), "--output", "json", "--first", "1"))
    slice_, pod = "/kubepods/besteffort", "/kubepods/besteffort/pod1"
    assert order == {
        "order": [
            {
                "path": f"{pod}/c1",
                "layers": [
                    {"parent": "/", "chosen": "/kubepods", "spared": [], "decidedBy": "OnlyChild"},
                    {"parent": "/kubepods", "chosen": slice_, "spared": [], "decidedBy": "OnlyChild"},
                    {"parent": slice_, "chosen": pod, "spared": [f"{slice_}/pod2"], "decidedBy": "Priority"},
                    {"parent": pod, "chosen": f"{pod}/c1", "spared": [], "decidedBy": "OnlyChild"},
                ],
            }
        ]
    }


def test_text_is_a_table_whose_columns_stand_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    first, title, *rows = ranked(capsys, "--snapshot", str(TWO_TENANTS)).splitlines()
    assert first == "When the node runs out of memory, first to die first (LargestUsage at equal priority):"
    assert title.split() == ["#", "VICTIM", "PRIORITY", "USAGE", "WHY"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert {row[title.index("WHY") - 2 : title.index("WHY")] for row in rows} == {"  "}
    assert rows[0].split()[1:5] == ["/system.slice/backup.service", "-50", "30.0", "MiB"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param("json", '{"order": []}\n', id="json"),
        pytest.param(
            "text", "Nothing may be killed when /k runs out of memory: it is left to the kernel.\n", id="text"
        ),
    ],
)
def test_nothing_eligible_is_an_order_without_entries(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, output: str, expected: str
) -> None:
    file = tmp_path / "tree.json"
    file.write_text('{"domain": "/k", "cgroups": [{"path": "/k/c", "id": 1, "protected": true}]}')
    assert ranked(capsys, "--snapshot", str(file), "--output", output).replace("\n]", "]") == expected


def test_a_refusal_is_one_line_that_names_the_field(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "tree.json"
    file.write_text('{"domain": "/", "cgroups": [{"path": "/a", "id": 1}, {"path": "/b", "id": 0}]}')
    error = refused(capsys, file)
    assert error == "oompolicy-guard rank: cgroups[1].id: expected a positive integer, found 0\n"


def test_a_refusal_stays_one_harmless_line_whatever_is_in_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "tree.json"
    file.write_text(json.dumps({"domain": "/", "cgroups": [], "a\n\x1b[2Jb": 1}))
    assert refused(capsys, file).rstrip("\n").isprintable()


def test_a_file_that_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "--snapshot: cannot read" in refused(capsys, tmp_path / "absent.json")
    assert "--snapshot: cannot read" in refused(capsys, tmp_path)


def test_a_file_that_is_too_large_is_refused_without_being_decoded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "tree.json"
    with file.open("wb") as sparse:
        sparse.truncate((64 << 20) + 1)
    assert "--snapshot: expected at most 64 MiB" in refused(capsys, file)


def test_a_dash_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TWO_TENANTS.read_bytes())))
    from_input = ranked(capsys, "--snapshot", "-", "--output", "json")
    assert from_input == ranked(capsys, "--snapshot", str(TWO_TENANTS), "--output", "json")


def test_the_number_of_victims_to_print_is_a_positive_one() -> None:
    with pytest.raises(SystemExit) as stop:
        arguments("--snapshot", "-", "--first", "0")
    assert stop.value.code == 2


def program(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - subprocess has them so
    command = [sys.executable, "-m", "oompolicy_agent.guard.rank", *words]
    return subprocess.run(command, text=True, check=False, timeout=60, **options)


def test_as_a_program_it_exits_2_after_one_line() -> None:
    ended = program("--snapshot", "-", input="{", capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = program("--snapshot", str(TWO_TENANTS), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")
