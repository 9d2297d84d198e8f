"""The options by which a command finds the host; the pod's identity comes from the environment."""

import argparse
import os

from oompolicy_agent.guard.settings import Settings

__all__ = ["add_host_options", "settings_from"]

DEFAULTS = Settings()


def add_host_options(parser: argparse.ArgumentParser) -> None:
    """Declares where cgroups, processes and the runtime's files are."""
    parser.add_argument("--cgroup-root", default=DEFAULTS.cgroup_root, help="the host's cgroup v2 (%(default)s)")
    parser.add_argument("--proc", default=DEFAULTS.proc, help="the host's proc (%(default)s)")
    parser.add_argument("--host-root", default=DEFAULTS.host_root, help="the host's root directory (%(default)s)")
    parser.add_argument("--bpf-directory", default=DEFAULTS.bpf_directory, help="programs for the kernel (%(default)s)")


def settings_from(options: argparse.Namespace) -> Settings:
    """The settings that a command line asks for."""
    return Settings(
        state_directory=getattr(options, "state_directory", DEFAULTS.state_directory),
        runtime_directory=getattr(options, "runtime_directory", DEFAULTS.runtime_directory),
        cgroup_root=options.cgroup_root.rstrip("/"),
        proc=options.proc.rstrip("/"),
        host_root=options.host_root.rstrip("/"),
        bpf_directory=options.bpf_directory.rstrip("/"),
        targets=getattr(options, "targets", ""),
        log_level=getattr(options, "log_level", DEFAULTS.log_level),
        pod_uid=os.environ.get("POD_UID", ""),
        node=os.environ.get("NODE_NAME", "") or os.uname().nodename,
    )
