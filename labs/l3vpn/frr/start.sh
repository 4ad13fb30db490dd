#!/bin/sh
# Starts FRR with the configuration of this node: frr.sh DAEMON …, in a kernel that forwards labels.
set -e
/run/modprobe -a vrf mpls_router mpls_iptunnel mpls_gso
sysctl -qw net.mpls.platform_labels=100000 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for port in lo eth1 eth2 eth3; do
    [ ! -e /proc/sys/net/mpls/conf/$port ] || sysctl -qw net.mpls.conf.$port.input=1
done
[ ! -e /mnt/vrf.sh ] || sh /mnt/vrf.sh
mount -t tmpfs -o mode=1777 frr /var/tmp
mkdir -p /run/frr
chown frr:frr /run/frr
for daemon; do
    /usr/lib/frr/$daemon -A 127.0.0.1 -f /dev/null -d
done
vtysh -f /mnt/frr.conf
while sleep 3600; do :; done
