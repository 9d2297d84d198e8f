"""The programs that the benchmark runs in its machines measure what they say."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.guest import crit, manager, watcher


def test_the_quiet_pause_is_kept_apart_from_the_crisis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0.4, 0.5, 2.5, 2.6])
    monkeypatch.setattr("bench.guest.crit.time.monotonic", lambda: next(now))
    pauses = crit.Pauses(str(tmp_path / "pauses"))
    pauses.tick()
    pauses.begin()
    for _ in range(3):
        pauses.tick()
    assert watcher.pauses(str(tmp_path / "pauses"), 2.7, is_alive=True) == {"quiet": 400, "longest": 2000}


@pytest.mark.parametrize(
    ("is_alive", "longest"), [pytest.param(True, 5000, id="alive"), pytest.param(False, 0, id="dead")]
)
def test_a_workload_that_hangs_to_the_end_has_paused_that_long(tmp_path: Path, is_alive: bool, longest: float) -> None:
    record = tmp_path / "pauses"
    record.write_bytes(crit.RECORD.pack(0.0, 0.0, 10.0))
    assert watcher.pauses(str(record), 15.0, is_alive=is_alive)["longest"] == longest


def test_figures_are_read_anew_each_time_and_lines_without_a_number_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "status"
    file.write_text("Name:\tearlyoom\nVmRSS:\t    1900 kB\nGroups:\n")
    figures = watcher.Figures(str(file))
    assert figures.get("VmRSS", "VmLck") == [1900, 0]
    file.write_text("Name:\tearlyoom\nVmRSS:\t    2000 kB\nVmLck:\t 3 kB\n")
    assert figures.get("VmRSS", "VmLck") == [2000, 3]


def test_the_stand_in_for_systemd_answers_a_subscription_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = [sys.executable, manager.__file__, str(path), json.dumps({"cgroups": []})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        assert program.stdout.readline() == "listening\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(path))
            client.sendall(b'{"method":"io.systemd.ManagedOOM.SubscribeManagedOOMCGroups","more":true}\0')
            answer = client.recv(4096)
        assert json.loads(answer.removesuffix(b"\0")) == {"parameters": {"cgroups": []}, "continues": True}
        assert "SubscribeManagedOOMCGroups" in program.stdout.readline()
        program.kill()
