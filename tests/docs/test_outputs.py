"""What a page shows of a command's output is what it prints, to the letter.

Run inside this process, because starting Python for each takes seconds; that kubectl finds the plugin is seen in
test_what_readers_type.py.
"""

import shlex

import pytest

from doc_pages import REPOSITORY, Block, blocks, pages
from oompolicy_agent.cli.__main__ import main as kubectl_oompolicy
from oompolicy_agent.guard.__main__ import main as oompolicy_guard

SHOWN = [block for page in pages() for block in blocks(page) if block.shown is not None]
PLUGIN, GUARD = ["kubectl", "oompolicy"], ["oompolicy-guard"]


def run(command: str) -> None:
    """As the shell would; raises ValueError for what is no command of ours."""
    words = shlex.split(command)
    if words[:2] == PLUGIN:
        assert kubectl_oompolicy(words[2:]) == 0
    elif words[:1] == GUARD:
        with pytest.raises(SystemExit, match="0"):
            oompolicy_guard(words[1:])
    else:
        raise ValueError(f"expected kubectl oompolicy or oompolicy-guard, found {command}")


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.place)
def test_the_output_is_as_shown(
    block: Block, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("KUBECONFIG", "/nowhere")  # what is shown needs no cluster
    for command in block.commands:
        run(command)
    printed = capsys.readouterr()
    assert printed.err + printed.out == block.shown
