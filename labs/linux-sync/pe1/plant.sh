# What others use the kernel for: one object of each kind that the daemon has too.
set -e
sysctl -qw net.mpls.platform_labels=1000
ip link add foreign type vrf table 4242
ip link set foreign up
ip address add 192.0.2.1/32 dev foreign
ip route add 198.51.100.0/24 dev foreign table 4242
ip route add blackhole 203.0.113.0/24
ip -6 route add blackhole 2001:db8:f::/48
ip -f mpls route add 777 dev foreign
ip rule add pref 500 to 192.0.2.99 lookup 4242
ip link add foreign-tunnel type xfrm dev lo if_id 0x7777
ip link set foreign-tunnel up
ip xfrm state add src 192.0.2.7 dst 192.0.2.8 proto esp spi 0x7777 reqid 7777 mode tunnel \
    aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
ip xfrm policy add dir out src 192.0.2.0/28 dst 192.0.2.16/28 priority 77 \
    tmpl src 192.0.2.7 dst 192.0.2.8 proto esp reqid 7777 mode tunnel
tc qdisc add dev eth2 clsact
tc filter add dev eth2 egress protocol all pref 77 matchall action skbedit priority 7
