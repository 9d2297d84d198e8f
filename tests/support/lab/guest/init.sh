#!/bin/sh
# The first program of a lab machine: mounts what Linux programs expect to find, and becomes the agent (PID 1).
# If a line fails PID 1 ends, the kernel panics, QEMU exits, and the console on the host shows why.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin NO_COLOR=1

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up
hostname lab
tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id

if grep -q 'oompolicy.cgroup=v1' /proc/cmdline; then
  # As systemd did before it spoke v2: a tmpfs with one folder per controller. A kernel without CONFIG_MEMCG_V1 has no
  # memory controller to mount there.
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for controller in memory pids cpu; do
    mkdir "/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" || rmdir "/sys/fs/cgroup/$controller"
  done
else
  mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
  # The first cgroup with a cpuset or a CPU limit makes the kernel patch its running code (static keys), and the last one
  # to go makes it patch it back. QEMU's multi-threaded emulation crashes there: so one that has both is always there.
  mkdir /sys/fs/cgroup/always
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
  done
  if [ -e /sys/fs/cgroup/always/cpu.max ]; then echo "100000 100000" > /sys/fs/cgroup/always/cpu.max; fi
fi

cd /lab
exec python3 -S -m lab.guest.agent
