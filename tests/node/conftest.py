"""One whole node, and its control plane, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from demo import story
from demo.installation import helm_install
from lab import images
from lab.control_plane import ControlPlane
from lab.node import Node
from operating.installed import Installed


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """The cluster of the node."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def node(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that is Ready and has the project's images."""
    with Node(control_plane, images=[images.bundle()], folder=tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="session")
def product(control_plane: ControlPlane, node: Node) -> Installed:
    """The product, installed as a user would, with the demo's policy in force."""
    helm_install(control_plane)
    story.start_product(control_plane)
    return Installed(control_plane, node)
