# The kernel's VRFs, which FRR takes over as they are.
table=10
port=2
for vrf in red blue green; do
    ip link add $vrf type vrf table $table
    ip link set $vrf up
    ip link set eth$port master $vrf
    ip address add 10.1.0.1/16 dev eth$port
    table=$((table + 10))
    port=$((port + 1))
done
# To the first aggregator, past the PE: labels in GRE.
/run/modprobe -a ip_gre ipip ip6_tunnel fou fou6
ip link add gre9 type gre local 192.0.3.2 remote 192.0.2.2 ttl 255
ip address add 10.0.9.2/30 dev gre9
ip link set gre9 up
sysctl -qw net.mpls.conf.gre9.input=1
# And in UDP, over either family, with static labels: both lead into green, and from there to indigo.
ip fou add port 6635 ipproto 137
ip -6 fou add port 6635 ipproto 137
udp="encap fou encap-sport auto encap-dport 6635"
ip link add udp4 type ipip mode mplsip local 192.0.3.2 remote 192.0.2.2 ttl 255 $udp
ip link add udp6 type ip6tnl mode any local 2001:db8:3::2 remote 2001:db8:2::2 hoplimit 255 encaplimit none $udp
for family in 4 6; do
    ip link set udp$family up
    sysctl -qw net.mpls.conf.udp$family.input=1
    ip -f mpls route add 9000$family dev green
    ip route add vrf green 10.5.3.$family/32 encap mpls 50000 dev udp$family
done
