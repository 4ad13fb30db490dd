#!/bin/sh
# Process 1 of a node in user-mode Linux: the host's files, its own /run and /tmp, modules for IPsec, a shell on tty1.
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp

# The package keeps its modules where modprobe does not look; the kernel itself calls modprobe for ciphers.
mkdir -p /tmp/base/lib
ln -s /usr/lib/uml/modules /tmp/base/lib/modules
printf '#!/bin/sh\nexec /sbin/modprobe -d /tmp/base "$@"\n' >/tmp/modprobe
chmod +x /tmp/modprobe
echo /tmp/modprobe >/proc/sys/kernel/modprobe
/tmp/modprobe -a ipv6 xfrm_user esp4 esp6 authenc echainiv cbc hmac sha1_generic des_generic aes_generic

ip link set lo up
for port in /sys/class/net/vec*; do
    number=${port##*vec}
    ip link set "vec$number" name "eth$((number + 1))"
    ip link set "eth$((number + 1))" up
done

stty raw -echo </dev/tty1
echo ready >/dev/tty1
# With its errors elsewhere it does not take us for a person and prints no prompt.
exec sh </dev/tty1 >/dev/tty1 2>/dev/null
