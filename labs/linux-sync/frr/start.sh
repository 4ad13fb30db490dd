# start.sh DAEMON…: starts these of FRR, each without a configuration.
mkdir -p /run/frr
chown frr:frr /run/frr
for daemon; do
    /usr/lib/frr/"$daemon" -A 127.0.0.1 -f /dev/null -d
done
