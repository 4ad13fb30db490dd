# Starts FRR: in a namespace it forwards no labels, and says what it hears.
mount -t tmpfs -o mode=1777 frr /var/tmp
mkdir -p /run/frr
chown frr:frr /run/frr
for daemon in zebra staticd bgpd; do
    /usr/lib/frr/$daemon -A 127.0.0.1 -f /dev/null -d
done
vtysh -f /mnt/frr.conf
while sleep 3600; do :; done
