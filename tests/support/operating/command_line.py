"""`kubectl oompolicy` as a person calls it, in the process of the test."""

import json
from typing import Any

import pytest

from lab.control_plane import ControlPlane
from oompolicy_agent.cli.__main__ import main

__all__ = ["Command"]


class Command:
    """The command line against one control plane, and what it printed."""

    def __init__(self, control_plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
        self._kubeconfig, self._capsys = f"--kubeconfig={control_plane.kubeconfig}", capsys

    def text(self, *words: str) -> str:
        """For people."""
        assert main([*words, self._kubeconfig]) == 0
        return self._capsys.readouterr().out

    def document(self, *words: str) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = json.loads(self.text(*words, "--output=json"))
        return found

    def refusal(self, *words: str) -> str:
        """Why it could not."""
        assert main([*words, self._kubeconfig]) == 2
        return self._capsys.readouterr().err
