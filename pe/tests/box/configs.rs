//! One provider edge and two customers who use the same private addresses; the second customer's
//! public address lies inside the first one's private network.

pub(crate) const PE: &str = "\
hostname pe1
ip vrf vpn1
 rd 100:1
 route-target export 100:1
 route-target import 100:1
ip vrf vpn2
 rd 101:1
 route-target export 101:1
 route-target import 101:1
crypto keyring vpn1
 pre-shared-key address 172.16.1.1 key secret-of-vpn1
crypto keyring vpn2
 pre-shared-key address 10.1.1.1 key secret-of-vpn2
crypto isakmp policy 1
 encr 3des
 authentication pre-share
 group 2
crypto isakmp policy 2
 encr aes
 authentication pre-share
 group 14
crypto isakmp profile vpn1
 vrf vpn1
 keyring vpn1
 match identity address 172.16.1.1 255.255.255.255
crypto isakmp profile vpn2
 vrf vpn2
 keyring vpn2
 match identity address 10.1.1.1 255.255.255.255
crypto ipsec transform-set vpn1 esp-3des esp-sha-hmac
crypto ipsec transform-set vpn2 esp-3des esp-md5-hmac
crypto map crypmap 1 ipsec-isakmp
 set peer 172.16.1.1
 set transform-set vpn1
 set isakmp-profile vpn1
 match address 101
crypto map crypmap 3 ipsec-isakmp
 set peer 10.1.1.1
 set transform-set vpn2
 set isakmp-profile vpn2
 match address 102
interface Ethernet1/1
 device core0
 ip address 172.17.1.1 255.255.0.0
 tag-switching ip
interface Ethernet1/2
 device wan0
 ip address 172.18.1.1 255.255.255.0
 crypto map crypmap
ip route 172.16.1.1 255.255.255.255 172.18.1.2
ip route 10.1.1.1 255.255.255.255 172.18.1.2
ip route vrf vpn1 10.2.0.0 255.255.0.0 172.18.1.2 global
ip route vrf vpn2 10.2.0.0 255.255.0.0 172.18.1.2 global
access-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
access-list 102 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
mpls static binding ipv4 vrf vpn1 10.2.0.0 255.255.0.0 input 101
mpls static binding ipv4 vrf vpn1 10.1.0.0 255.255.0.0 output 172.17.1.2 201
mpls static binding ipv4 vrf vpn2 10.2.0.0 255.255.0.0 input 102
mpls static binding ipv4 vrf vpn2 10.1.0.0 255.255.0.0 output 172.17.1.2 202
";

pub(crate) const CPE_A: &str = "\
crypto isakmp policy 1
 encr 3des
 authentication pre-share
 group 2
crypto isakmp key secret-of-vpn1 address 172.18.1.1
crypto ipsec transform-set vpn1 esp-3des esp-sha-hmac
crypto map vpn1 1 ipsec-isakmp
 set peer 172.18.1.1
 set transform-set vpn1
 match address 101
interface Ethernet0
 device wan0
 ip address 172.16.1.1 255.255.255.0
 crypto map vpn1
interface Ethernet1
 device lan0
 ip address 10.2.1.1 255.255.0.0
ip route 0.0.0.0 0.0.0.0 172.16.1.2
access-list 101 permit ip 10.2.0.0 0.0.255.255 10.1.0.0 0.0.255.255
";

pub(crate) const CPE_B: &str = "\
crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto isakmp key secret-of-vpn2 address 172.18.1.1
crypto ipsec transform-set vpn2 esp-3des esp-md5-hmac
crypto map vpn2 1 ipsec-isakmp
 set peer 172.18.1.1
 set transform-set vpn2
 match address 101
interface Ethernet0
 device wan0
 ip address 10.1.1.1 255.255.255.0
 crypto map vpn2
interface Ethernet1
 device lan0
 ip address 10.2.1.1 255.255.0.0
ip route 0.0.0.0 0.0.0.0 10.1.1.2
access-list 101 permit ip 10.2.0.0 0.0.255.255 10.1.0.0 0.0.255.255
";

pub(crate) const FRONT_PE: &str = "\
ip vrf red
 rd 1:1
ip vrf blue
 rd 1:2
crypto keyring red vrf red
 pre-shared-key address 192.0.2.2 key key-of-red
crypto keyring blue vrf blue
 pre-shared-key address 192.0.2.2 key key-of-blue
crypto isakmp policy 10
 encr aes 256
 hash sha256
 authentication pre-share
 group 14
crypto ipsec transform-set strong esp-gcm 256
crypto map red 10 ipsec-isakmp
 set peer 192.0.2.2
 set transform-set strong
 match address 101
crypto map blue 10 ipsec-isakmp
 set peer 192.0.2.2
 set transform-set strong
 match address 101
interface Ethernet0/1
 device wan1
 ip vrf forwarding red
 ip address 192.0.2.1 255.255.255.252
 crypto map red
interface Ethernet0/2
 device wan2
 ip vrf forwarding blue
 ip address 192.0.2.1 255.255.255.252
 crypto map blue
ip route vrf red 10.2.0.0 255.255.0.0 192.0.2.2
ip route vrf blue 10.2.0.0 255.255.0.0 192.0.2.2
access-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
";

pub(crate) const FRONT_CPE: &str = "\
crypto isakmp policy 10
 encr aes 256
 hash sha256
 authentication pre-share
 group 14
crypto isakmp key KEY address 192.0.2.1
crypto ipsec transform-set strong esp-gcm 256
crypto map site 10 ipsec-isakmp
 set peer 192.0.2.1
 set transform-set strong
 match address 101
interface Ethernet0
 device wan0
 ip address 192.0.2.2 255.255.255.252
 crypto map site
interface Ethernet1
 device lan0
 ip address 10.2.1.1 255.255.0.0
ip route 10.1.0.0 255.255.0.0 192.0.2.1
access-list 101 permit ip 10.2.0.0 0.0.255.255 10.1.0.0 0.0.255.255
";
