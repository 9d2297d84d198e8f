"""The cache of disk images does not grow for ever."""

import os
from pathlib import Path

from lab.sweep import sweep_beside


def test_other_versions_go_once_they_were_idle_for_long(tmp_path: Path) -> None:
    for name in ("rootfs-used", "rootfs-recent", "rootfs-old", "rootfs-old.partial", "debian-old"):
        (tmp_path / name).mkdir()
    for name in ("rootfs-used", "rootfs-old", "rootfs-old.partial", "debian-old"):
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "rootfs-old.lock").touch()

    assert sweep_beside(tmp_path / "rootfs-used") == tmp_path / "rootfs-used"

    assert {path.name for path in tmp_path.iterdir()} == {
        "rootfs-used",
        "rootfs-recent",
        "debian-old",
        "rootfs-old.lock",
    }
    assert (tmp_path / "rootfs-used").stat().st_mtime > 0
