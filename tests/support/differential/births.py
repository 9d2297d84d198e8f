"""Watches the map of a guard that runs in the same machine: how soon a container is in it, and how soon it has left it.

`python3 -m differential.births --pod PATH --times N` makes containers in a pod, one at a time, and takes them away.
Prints a JSON object: milliseconds until the map knew, the same for their end, and which priority each had.
"""

import argparse
import ctypes
import errno
import json
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator

from oompolicy_agent.guard.assist_abi import TARGET_SIZE, Target, key_of
from oompolicy_agent.guard.bpf import BPF, Map
from oompolicy_agent.guard.syscalls import call
from pod_tree import BUNDLES, CGROUPS

MAP_GET_NEXT_ID, MAP_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = 12, 14, 15
INFO = struct.Struct("=6I16s")
"""The beginning of struct bpf_map_info: type, id, sizes of key and value, entries, flags, name."""
SECONDS = 30
LOOK_SECONDS = 0.001


def ids() -> Iterator[int]:
    """Of all maps in the kernel."""
    current = 0
    while True:
        request = ctypes.create_string_buffer(struct.pack("=III", current, 0, 0), 12)
        try:
            call(BPF[os.uname().machine], MAP_GET_NEXT_ID, request, 12)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            raise
        current = struct.unpack_from("=I", request, 4)[0]
        yield current


def map_of_the_guard() -> Map:
    """The one that is called `targets`."""
    for id_ in ids():
        descriptor = call(BPF[os.uname().machine], MAP_GET_FD_BY_ID, struct.pack("=III", id_, 0, 0), 12)
        info = ctypes.create_string_buffer(INFO.size)
        call(
            BPF[os.uname().machine],
            OBJ_GET_INFO_BY_FD,
            struct.pack("=IIQ", descriptor, INFO.size, ctypes.addressof(info)),
            16,
        )
        if INFO.unpack(info.raw)[-1].rstrip(b"\0") == b"targets":
            return Map(descriptor, TARGET_SIZE)
    raise LookupError("expected a map that is called targets, found none: does a guard run, and with KernelAssist?")


def milliseconds_until(is_so: Callable[[], bool]) -> float:
    """How long it took; raises TimeoutError."""
    start = time.monotonic()
    while not is_so():
        if time.monotonic() - start > SECONDS:
            raise TimeoutError(f"not within {SECONDS} s")
        time.sleep(LOOK_SECONDS)
    return round((time.monotonic() - start) * 1000, 1)


def bear(targets: Map, pod: str, number: int) -> tuple[float, float, int]:
    """One container: how long until it is in the map, until it is gone, and its priority in between."""
    id_ = f"{number:f>64x}"
    bundle, folder = BUNDLES / id_, CGROUPS / pod.lstrip("/") / id_
    said = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.container-name": "exporter"}
    bundle.mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps({"annotations": said}))
    folder.mkdir()
    key = key_of(folder.stat().st_ino)
    born = milliseconds_until(lambda: targets.get(key) is not None)
    priority = Target.unpacked(targets.get(key) or bytes(TARGET_SIZE)).priority
    folder.rmdir()
    gone = milliseconds_until(lambda: targets.get(key) is None)
    shutil.rmtree(bundle)
    return born, gone, priority


def main() -> None:
    """Makes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pod", required=True)
    parser.add_argument("--times", type=int, required=True)
    wanted = parser.parse_args()
    targets = map_of_the_guard()
    found = [bear(targets, wanted.pod, number) for number in range(wanted.times)]
    births, ends, priorities = zip(*found, strict=True)
    print(json.dumps({"births": births, "ends": ends, "priorities": priorities}))


if __name__ == "__main__":
    main()
