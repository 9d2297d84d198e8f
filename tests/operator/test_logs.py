"""Log lines are JSON with klog's keys, whoever writes them."""

import json
import logging
from collections.abc import Iterator

import kopf
import pytest

from oompolicy_operator import logs


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    names = ("", "kopf", "asyncio", "aiohttp.access")
    before = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers
    yield
    logging.getLogger().handlers = handlers
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_extra_values_become_keys(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("Info")
    logging.getLogger("a").info("Applied %s", "DaemonSet", extra={"policy": "mixed"})
    line = last_line(capsys)
    assert (line["msg"], line["level"], line["logger"], line["policy"]) == ("Applied DaemonSet", "info", "a", "mixed")
    assert str(line["ts"]).endswith("Z")


def test_exception_stands_under_err(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("Info")
    try:
        int("told so")
    except ValueError:
        logging.getLogger("a").exception("Could not reconcile policy")
    assert "ValueError" in str(last_line(capsys)["err"])


def test_object_of_kopf_becomes_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("Debug")
    reference = {"kind": "OOMPolicy", "name": "mixed"}
    attached = {"k8s_ref": reference, "k8s_skip": True, "settings": kopf.OperatorSettings()}
    logging.getLogger("kopf.objects").info("Seen", extra=attached)
    line = last_line(capsys)
    assert line["object"] == "OOMPolicy/mixed"
    assert not {"k8s_ref", "k8s_skip", "settings"} & line.keys()


def test_kopf_is_quiet_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("Info")
    logging.getLogger("kopf.objects").info("Handler succeeded")
    assert capsys.readouterr().out == ""
