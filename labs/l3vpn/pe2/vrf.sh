# The kernel's VRFs, which FRR takes over as they are.
ip link add red type vrf table 10
ip link add blue type vrf table 20
ip link set eth2 master red
ip link set eth3 master blue
ip link set red up
ip link set blue up
ip address add 10.1.0.1/16 dev eth2
ip address add 10.1.0.1/16 dev eth3
ip -6 address add fd01::1/64 dev eth2 nodad
