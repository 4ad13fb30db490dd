# VRF devices as FRR takes them over; behind each the far site is addresses of this node. The rest is FRR's: routes and labels.
set -e
/run/modprobe -a vrf mpls_router mpls_iptunnel
sysctl -qw net.mpls.platform_labels=1000 net.mpls.conf.eth1.input=1 net.ipv4.ip_forward=1
ip address add 172.17.1.2/16 dev eth1
table=0
for vrf in red blue green; do
    table=$((table + 1))
    ip link add $vrf type vrf table $table
    ip link set $vrf up
    ip address add 10.1.3.4/32 dev $vrf
done
# Of these the PE hears from its own FRR alone.
ip address add 10.77.0.1/32 dev blue
sh /srv/start.sh zebra staticd bgpd
vtysh -f /mnt/frr.conf
