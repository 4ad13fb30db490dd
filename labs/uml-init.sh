#!/bin/sh
# Process 1 of a node in user-mode Linux: the host's files, its own /run, modules for IPsec, a shell on tty1.
# The kernel's command line names PROGRAMS, the directory of our own, and MODULES where a node needs more than Debian packs.
export PATH="$PROGRAMS:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run

# The package keeps its modules where modprobe does not look; the kernel itself calls modprobe for ciphers.
mkdir -p /run/base/lib
ln -s /usr/lib/uml/modules /run/base/lib/modules
printf '#!/bin/sh\nexec /sbin/modprobe -d %s "$@"\n' "${MODULES:-/run/base}" >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
# Nobody is to be run for each of ten thousand devices.
[ ! -e /sys/kernel/uevent_helper ] || echo >/sys/kernel/uevent_helper
/run/modprobe -a ipv6 xfrm_user esp4 esp6 authenc echainiv cbc hmac sha1_generic des_generic aes_generic
if [ -n "$MODULES" ]; then
    /run/modprobe -a vrf mpls_router mpls_iptunnel mpls_gso xfrm4_tunnel xfrm6_tunnel xfrm_interface sch_ingress \
        cls_matchall act_skbedit authencesn gcm ccm ctr seqiv chacha20poly1305 cmac xcbc 8021q ip_gre
fi

ip link set lo up
for port in /sys/class/net/vec*; do
    [ -e "$port" ] || break
    number=${port##*vec}
    ip link set "vec$number" name "eth$((number + 1))"
    ip link set "eth$((number + 1))" up
done

# Opened once: what is said to us between two openings would be lost. With its errors elsewhere the shell does not take
# us for a person and prints no prompt.
exec </dev/tty1 >/dev/tty1 2>/dev/null
stty raw -echo
echo ready
exec sh
