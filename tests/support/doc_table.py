"""What of the documentation's commands cannot run here as it stands: by what it is replaced, or where else it runs."""

from typing import Final, NamedTuple

__all__ = ["ELSEWHERE", "PLACEHOLDERS", "Elsewhere"]

PLACEHOLDERS: Final = {
    "REGISTRY": "registry.example/oompolicy",
    "NODE": "node-1",
    "NAME": "node-1.20261124t015349.123z-7f3a",
}
"""The words in capitals that a reader replaces, and by what the tests replace them."""


class Elsewhere(NamedTuple):
    """A command that no test here runs."""

    command: str
    """As the page has it."""
    why: str
    test: str
    """FILE::FUNCTION of a test or fixture that does the same on what the command needs; or FILE alone, that is it."""


_DEMO: Final = "tests/node/test_kills.py::test_batch_dies_first_then_hog_and_the_database_never"
_LOGS: Final = "tests/node/test_kills.py::test_the_guard_has_no_service_account_token"
_IMAGE_NAMES: Final = ("agent", "operator")
_IMAGES: Final = "buildah builds the same Containerfiles for the tests on a node"
_BUILT: Final = "tests/support/lab/images.py"
_NO_NODE: Final = "there is no node here, so nothing to connect to"

ELSEWHERE: Final = (
    Elsewhere("make demo", "it needs the virtual machine of the node", _DEMO),
    Elsewhere("make test", "it is what runs this test", "Makefile"),
    Elsewhere("make setup", "it is done before any test runs", "Makefile"),
    Elsewhere(
        "PYTHONPATH=tests/support .venv/bin/python -m lab.image_context /tmp/oompolicy-images",
        "it fetches packages and compiles BPF programs; the tests on a node run on what it lays out",
        "tests/support/lab/images.py",
    ),
    *(
        Elsewhere(
            f"podman build --file {image}/Containerfile --tag REGISTRY/{image}:0.1.0 /tmp/oompolicy-images",
            _IMAGES,
            _BUILT,
        )
        for image in _IMAGE_NAMES
    ),
    *(Elsewhere(f"podman push REGISTRY/{image}:0.1.0", "there is no registry here", _BUILT) for image in _IMAGE_NAMES),
    Elsewhere(
        "uv tool install '.[cli]'",
        "it installs for the user; here uv has installed the same program into the virtual environment",
        "tests/support/doc_reader.py::_programs",
    ),
    Elsewhere(
        "helm install oompolicy charts/oompolicy --namespace oompolicy-system --create-namespace",
        "the quick start's, without the names of images; only one release of a name can be there",
        "tests/cluster/test_operator_chart.py::notes",
    ),
    Elsewhere(
        "helm test oompolicy --namespace oompolicy-system",
        "its pod needs a node to run on",
        "tests/node/test_kills.py::test_helm_test_finds_the_installation_working",
    ),
    Elsewhere(
        "helm uninstall oompolicy --namespace oompolicy-system",
        "the Job that runs first needs a node to run on",
        "tests/node/test_removal.py::test_an_uninstalled_chart_leaves_the_node_as_it_was_and_blocks_no_deletion",
    ),
    Elsewhere(
        "kubectl oompolicy rank NODE", _NO_NODE, "tests/node/test_kills.py::test_the_guard_says_who_would_die_now"
    ),
    Elsewhere(
        "kubectl --namespace oompolicy-agents logs daemonset/oompolicy-trial --container guard --follow",
        _NO_NODE,
        "tests/support/demo/followers.py",
    ),
    Elsewhere(
        "kubectl --namespace oompolicy-agents logs daemonset/oompolicy-my-policy --container guard --follow",
        _NO_NODE,
        "tests/support/demo/followers.py",
    ),
    Elsewhere(
        "kubectl --namespace oompolicy-agents exec daemonset/oompolicy-my-policy --container guard"
        " -- oompolicy-guard check",
        _NO_NODE,
        _LOGS,
    ),
    Elsewhere("oompolicy-guard check", "whether it succeeds is up to the host", "tests/vm/test_check.py"),
    Elsewhere(
        "oompolicy-guard run --targets targets.json", "it guards the host until SIGTERM", "tests/vm/test_guard.py"
    ),
    Elsewhere(
        "apt-get install gcc make flex bison bc libelf-dev libssl-dev dwarves xz-utils"
        " linux-source-7.3 linux-config-7.3",
        "it changes the host",
        "tests/vm/test_kernel_hook.py",
    ),
    Elsewhere(
        "agent/kernel/build /usr/src/linux-config-7.3/config.amd64_none_cloud-amd64.xz"
        " /usr/src/linux-source-7.3.tar.xz OUTPUT",
        "it compiles a kernel, hours of it",
        "tests/vm/test_kernel_hook.py",
    ),
    Elsewhere("make -C OUTPUT/build bindeb-pkg", "it packs that kernel", "tests/vm/test_kernel_hook.py"),
)
"""Each with the reason, and with the test that comes nearest to running it."""
