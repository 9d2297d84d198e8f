#!/bin/sh
# Becomes a service of the node, as systemd would start it: in a cgroup of its own, its output in a log of the host.
# Usage: service.sh NAME COMMAND...
set -eu
name=$1
shift
slice=/sys/fs/cgroup/system.slice
mkdir -p "$slice/$name.service"
for controller in $(cat "$slice/cgroup.controllers"); do
  echo "+$controller" > "$slice/cgroup.subtree_control"
done
echo $$ > "$slice/$name.service/cgroup.procs"
echo -999 > /proc/self/oom_score_adj # as in both programs' unit files
port=$(grep -lx "$name.log" /sys/class/virtio-ports/*/name)
exec "$@" > "/dev/$(basename "$(dirname "$port")")" 2>&1
