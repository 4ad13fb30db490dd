# The kernel's VRFs with a VLAN or a GRE tunnel to each aggregator, which FRR takes over as they are.
/run/modprobe -a 8021q ip_gre
table=10
for vrf in red blue green; do
    ip link add $vrf type vrf table $table
    ip link set $vrf up
    table=$((table + 10))
done
ip link add link eth1 name eth1.100 type vlan id 100
ip link add link eth1 name eth1.200 type vlan id 200
ip link add link eth2 name eth2.100 type vlan id 100
ip link add gre1 type gre local 192.0.2.1 remote 192.0.2.2 key 7 ttl 255
ip link set eth1.100 master red
ip link set eth1.200 master blue
ip link set eth2.100 master red
ip link set gre1 master green
for port in eth1.100 eth1.200 gre1; do
    ip address add 10.0.0.1/30 dev $port
    ip link set $port up
done
ip address add 10.0.1.1/30 dev eth2.100
ip link set eth2.100 up
