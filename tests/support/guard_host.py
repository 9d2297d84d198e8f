"""A host's cgroupfs and procfs as plain files, for the guard's tests that need no kernel.

Only what was seen on a real kernel (7.2 and 7.3) is written here: file names, formats, what a container's memcg holds.
"""

import json
from pathlib import Path

__all__ = ["FakeHost"]

MEBIBYTE = 1 << 20


class FakeHost:
    """A folder with `cgroup`, `proc`, `sys`, `root` and `state` in it; sizes in MiB."""

    def __init__(self, folder: Path) -> None:
        self.cgroups = folder / "cgroup"
        self.proc = folder / "proc"
        self.sys = folder / "sys"
        self.root = folder / "root"
        self.state = folder / "state"
        for path in (self.cgroups, self.proc / "pressure", self.proc / "sys/kernel/random", self.root):
            path.mkdir(parents=True)
        (self.cgroups / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
        (self.proc / "pressure/memory").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
        (self.proc / "sys/kernel/random/boot_id").write_text("0b9c7a1e-0000-4000-8000-000000000001\n")
        self.vmstat()
        self.meminfo(available=1000)

    def meminfo(
        self,
        *,
        available: int,
        free: int | None = None,
        inactive_file: int = 0,
        total: int = 2000,
        swap: tuple[int, int] = (0, 0),
    ) -> None:
        """Writes /proc/meminfo; `swap` is total and free, `free` defaults to `available`."""
        lines = {
            "MemTotal": total,
            "MemFree": available if free is None else free,
            "MemAvailable": available,
            "Inactive(file)": inactive_file,
            "SwapTotal": swap[0],
            "SwapFree": swap[1],
        }
        text = "".join(f"{name + ':':<16}{size * 1024:>8} kB\n" for name, size in lines.items())
        (self.proc / "meminfo").write_text(text)

    def vmstat(self, *, stalls: int = 0, oom_kills: int = 0) -> None:
        """Writes /proc/vmstat."""
        (self.proc / "vmstat").write_text(
            f"nr_free_pages 1\nallocstall_normal {stalls}\nallocstall_movable 0\noom_kill {oom_kills}\n"
        )

    def swaps(self, *areas: tuple[str, int, int, int]) -> None:
        """Writes /proc/swaps: name, size, used and priority of each."""
        lines = ["Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"]
        for name, size, used, priority in areas:
            kind = "partition" if name.startswith("/dev") else "file"
            lines.append(f"{name:<40}{kind:<16}{size << 10}\t\t{used << 10}\t\t{priority}\n")
        (self.proc / "swaps").write_text("".join(lines))

    def zram(self, number: int, *, stored: int, used: int, limit: int = 0) -> None:
        """Writes the mm_stat of a zram device."""
        folder = self.sys / f"block/zram{number}"
        folder.mkdir(parents=True, exist_ok=True)
        sizes = (stored * MEBIBYTE, used * MEBIBYTE, used * MEBIBYTE, limit * MEBIBYTE, used * MEBIBYTE, 0, 0, 0, 0)
        (folder / "mm_stat").write_text(" ".join(f"{size:>8}" for size in sizes) + "\n")

    def mounts(self, *, recursive: bool) -> None:
        """Writes /proc/mounts; `recursive` as systemd mounts the cgroup file system."""
        options = "rw,nosuid,nodev,noexec,relatime,nsdelegate" + ",memory_recursiveprot" * recursive
        (self.proc / "mounts").write_text(f"/dev/vda / ext4 rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 {options} 0 0\n")

    def protect(self, path: str, *, current: int, cache: int, minimum: int | str) -> None:
        """Makes or changes a memcg with page cache on the LRU lists and a memory.min, which may be `max`."""
        folder = self.memcg(path, current=current, file=cache)
        with (folder / "memory.stat").open("a") as stat:
            stat.write(f"inactive_anon 1\ninactive_file {cache * MEBIBYTE}\nactive_file 0\n")
        size = minimum if isinstance(minimum, str) else minimum * MEBIBYTE
        (folder / "memory.min").write_text(f"{size}\n")

    def memcg(
        self,
        path: str,
        *,
        current: int = 0,
        file: int = 0,
        limit: int | None = None,
        pids: tuple[int, ...] = (),
        oom: tuple[int, int] = (0, 0),
    ) -> Path:
        """Makes or changes a memcg; `oom` is the counts oom and oom_kill in memory.events."""
        folder = self.cgroups / path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        events = f"low 0\nhigh 0\nmax 0\noom {oom[0]}\noom_kill {oom[1]}\noom_group_kill 0\n"
        files = {
            "memory.current": f"{current * MEBIBYTE}\n",
            "memory.stat": f"anon {(current - file) * MEBIBYTE}\nfile {file * MEBIBYTE}\nshmem 0\nslab_reclaimable 0\n",
            "memory.max": "max\n" if limit is None else f"{limit * MEBIBYTE}\n",
            "memory.pressure": "",
            "memory.events": events,
            "memory.events.local": events,
            "cgroup.procs": "".join(f"{pid}\n" for pid in pids),
            "cgroup.events": f"populated {int(bool(pids))}\nfrozen 0\n",
            "cgroup.kill": "",
        }
        for name, text in files.items():
            (folder / name).write_text(text)
        for pid in pids:
            self.process(pid)
        return folder

    def process(self, pid: int, *, oom_score_adj: int = 0) -> None:
        """Makes what the guard reads of a process."""
        folder = self.proc / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "oom_score_adj").write_text(f"{oom_score_adj}\n")
        (folder / "stat").write_text(f"{pid} (job) S {' '.join(['0'] * 18)} {pid * 10} 0 0\n")

    def bundle(self, container_id: str, role: str, name: str = "main") -> None:
        """Writes containerd's bundle of a container or sandbox."""
        folder = self.root / "run/containerd/io.containerd.runtime.v2.task/k8s.io" / container_id
        folder.mkdir(parents=True)
        annotations = {"io.kubernetes.cri.container-type": role, "io.kubernetes.cri.container-name": name}
        (folder / "config.json").write_text(json.dumps({"annotations": annotations}))
