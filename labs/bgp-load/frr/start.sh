# bgpd alone: there is nothing here that routes could be installed in.
mkdir -p /run/frr
chown frr:frr /run/frr
exec /usr/lib/frr/bgpd -Z -A 127.0.0.1 -f /mnt/bgpd.conf
