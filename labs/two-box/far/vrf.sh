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
/run/modprobe -a ip_gre
ip link add gre9 type gre local 192.0.3.2 remote 192.0.2.2 ttl 255
ip address add 10.0.9.2/30 dev gre9
ip link set gre9 up
sysctl -qw net.mpls.conf.gre9.input=1
