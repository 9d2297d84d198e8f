"""Settings come from one file with the names of values.yaml; what is wrong in it is named."""

from pathlib import Path

import pytest

from oompolicy_operator.__main__ import BAD_USAGE, main
from oompolicy_operator.settings import Settings, SettingsError

AGENT = "agent: {namespace: agents, image: registry/agent:1}"


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "operator.yaml"
    path.write_text(text)
    return Settings.load(path)


def test_absent_fields_have_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, AGENT)
    assert (settings.log_level, settings.health_port) == ("Info", 8080)
    assert settings.agent.state_directory == "/var/lib/oompolicy"


def test_names_are_those_of_the_chart(tmp_path: Path) -> None:
    resources = "{resources: {requests: {memory: 1Mi}}}"
    agent = f"{{namespace: a, image: i, imagePullPolicy: Never, stateDirectory: /s, guard: {resources}}}"
    settings = load(tmp_path, f"{{logLevel: Debug, healthPort: 0, agent: {agent}}}")
    assert settings.agent.guard.resources == {"requests": {"memory": "1Mi"}}
    assert settings.agent.image_pull_policy == "Never"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(f"{AGENT}\nloglevel: Info", "loglevel: Extra inputs", id="unknown-key"),
        pytest.param(
            "agent: {namespace: agents, image: i, images: j}", r"agent\.images: Extra", id="unknown-inner-key"
        ),
        pytest.param("agent: {namespace: agents}", r"agent\.image: Field required", id="missing-key"),
        pytest.param(f"{AGENT}\nlogLevel: Loud", "logLevel: Input should be 'Error'", id="unknown-value"),
        pytest.param("", "file: Input should be", id="empty-file"),
        pytest.param("{", "operator.yaml", id="no-yaml"),
    ],
)
def test_wrong_file_is_refused_by_the_name_of_its_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(tmp_path, text)


def test_program_ends_with_one_line_when_its_file_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(tmp_path / "none.yaml")]) == BAD_USAGE
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "none.yaml" in said
