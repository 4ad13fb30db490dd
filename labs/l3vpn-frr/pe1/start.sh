# FRR speaks BGP and LDP, and finds in the VRFs' tables what onrampd puts there.
sysctl -qw net.mpls.platform_labels=1048575
mount -t tmpfs -o mode=1777 frr /var/tmp
mkdir -p /run/frr
chown frr:frr /run/frr
if ! pidof bgpd >/dev/null; then
    for daemon in zebra staticd ldpd bgpd; do
        /usr/lib/frr/$daemon -A 127.0.0.1 -f /dev/null -d
    done
    vtysh -f /mnt/frr.conf
fi
exec onrampd --config /mnt/onramp.conf
