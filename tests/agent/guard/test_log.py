"""The log never waits and never fails."""

import json
import os
import pty

from oompolicy_agent.guard.log import Log


def test_writes_json_with_klogs_keys() -> None:
    reader, writer = os.pipe()
    Log(writer, node="worker-1").info("Killed container", pod="shop/batch", priority=10)
    line = json.loads(os.read(reader, 4096))
    assert (line["message"], line["severity"], line["node"]) == ("Killed container", "info", "worker-1")
    assert (line["pod"], line["priority"]) == ("shop/batch", 10)


def test_writes_for_people_on_a_terminal() -> None:
    master, terminal = pty.openpty()
    Log(terminal).warning("Waiting", domain="/")
    assert os.read(master, 4096).decode().rstrip().endswith('WARNING Waiting domain="/"')


def test_does_not_wait_for_a_reader_and_says_how_much_was_lost() -> None:
    reader, writer = os.pipe()
    log = Log(writer)
    for _ in range(10_000):
        log.info("x" * 200)
    os.set_blocking(reader, False)
    while len(os.read(reader, 1 << 20)) == 1 << 20:
        pass
    log.info("After")
    assert json.loads(os.read(reader, 4096))["droppedLines"] > 0


def test_a_reader_that_has_gone_stops_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    Log(writer).error("Nobody hears this")


def test_a_line_fits_into_one_write() -> None:
    reader, writer = os.pipe()
    Log(writer).info("Long", field="y" * 10_000)
    line = os.read(reader, 1 << 20)
    assert len(line) <= 4096
    assert json.loads(line)["shortened"] is True
