"""What the guard is told on its command line, and the numbers it goes by."""

from dataclasses import dataclass, replace

__all__ = ["MEBIBYTE", "Limits", "Settings"]

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """When to act and how often. Bytes, milliseconds and seconds, as each name says."""

    threshold_bytes: int = 200 * MEBIBYTE
    """Act below half of it, or below it when there is a reason to hurry."""
    threshold_percent: int | None = None
    """The threshold as a share of the domain instead; None: `threshold_bytes` counts."""
    largest_share: int = 4
    """The threshold is never more than one part in this many of the domain: 200 MiB of a 256 MiB domain would be
    everything."""
    kubelet_factor: float = 1.5
    """Act at this multiple of kubelet's own eviction threshold, so that the policy decides before kubelet does."""
    stall_milliseconds: int = 100
    """Full stall within the window that counts as a sign of thrashing."""
    window_milliseconds: int = 1000
    swap_free_percent: int = 10
    """Swap below this share of all swap does not count as free: at that point it is too slow to be of help."""
    cooldown_seconds: float = 5.0
    """From one kill to the next. A runtime needs about that long to clean up after a container that died under it."""
    maximum_kills: int = 10
    """In a window of `budget_seconds`."""
    budget_seconds: float = 300.0
    kill_to_free_seconds: float = 0.3
    """From the decision to memory being back, until this node's own kills have been measured. Emulated CPUs under
    pressure needed up to 0.2 s."""
    unknown_seconds: float = 10.0
    """For so long a pod that the guard was not told about comes after everybody who is known; then it counts with the
    default priority."""
    futile_seconds: float = 600.0
    """A pod whose death gave back next to nothing is left alone for so long."""

    @property
    def only_before_kubelet(self) -> "Limits":
        """For a node whose kernel asks our handler: there is no race with it, but kubelet must not evict before."""
        return replace(self, threshold_bytes=0, threshold_percent=None)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the guard finds the host, and where its own files are."""

    state_directory: str = "/var/lib/oompolicy"
    runtime_directory: str = "/run/oompolicy"
    """On tmpfs: what is kept there outlives the guard and not the machine."""
    cgroup_root: str = "/sys/fs/cgroup"
    proc: str = "/proc"
    host_root: str = "/proc/1/root"
    """The host's root as the guard sees it. Through PID 1 it needs no mount of the whole host."""
    bpf_directory: str = "/opt/oompolicy/bpf"
    """With the programs for the kernel and their loader; without it cgroupfs is scanned."""
    targets: str = ""
    """A targets file of the administrator's instead of the inbox; empty: the inbox."""
    pod_uid: str = ""
    """The guard's own pod; empty on a bare host."""
    node: str = ""
    """The node's name, for the log."""
    log_level: str = "Info"
    """The least severe line that is logged; another word than the log knows means the same."""
    limits: Limits = Limits()
