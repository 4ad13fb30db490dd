# A VRF and a label for each VPN; behind each VRF the far site is one address of this node.
set -e
/run/modprobe -a vrf mpls_router mpls_iptunnel
sysctl -qw net.mpls.platform_labels=1000 net.mpls.conf.eth1.input=1 net.ipv4.ip_forward=1
ip address add 172.17.1.2/16 dev eth1
vpn() {
    ip link add "$1" type vrf table "$2"
    ip link set "$1" up
    ip address add 10.1.3.4/32 dev "$1"
    ip -f mpls route add "$3" dev "$1"
    ip route add 10.2.0.0/16 vrf "$1" encap mpls "$4" via 172.17.1.1 dev eth1
}
vpn red 1 201 101
vpn blue 2 202 102
