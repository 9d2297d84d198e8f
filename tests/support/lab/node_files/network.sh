#!/bin/sh
# Gives the node its network: the card on QEMU's user network, and the rules that kube-proxy would make on a real node.
# Usage: network.sh PORT NAME: the API server's port on the host, and the node's name.
set -eu
hostname "$2"
if [ -d "/lib/modules/$(uname -r)" ]; then # else it is a kernel of our own, which has all built in
  modprobe -a virtio_net veth bridge overlay nf_tables nft_chain_nat nft_masq nft_reject_ipv4
fi
card=$(basename /sys/bus/virtio/drivers/virtio_net/virtio*/net/*)
ip address add 10.0.2.15/24 dev "$card"
ip link set "$card" up
ip route add default via 10.0.2.2
echo 1 > /proc/sys/net/ipv4/ip_forward

nft -f - <<RULES
table ip lab {
  chain service {
    ip daddr 10.96.0.1 tcp dport 443 dnat to 10.0.2.2:$1 comment "the service kubernetes"
  }
  chain from-pods { type nat hook prerouting priority dstnat; jump service; }
  chain from-node { type nat hook output priority dstnat; jump service; }
  chain to-the-world { type nat hook postrouting priority srcnat; oifname "$card" masquerade; }
  chain no-endpoints {
    ip daddr 10.96.0.0/16 reject comment "no other service has a proxy here: fail at once"
  }
  chain forwarded { type filter hook forward priority filter; jump no-endpoints; }
  chain sent { type filter hook output priority filter; jump no-endpoints; }
}
RULES
