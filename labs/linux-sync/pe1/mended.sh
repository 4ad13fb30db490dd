# mended.sh COMMAND: takes note of the kernel's state, lets a stranger run COMMAND, and waits until the state is as before.
# Says after how many milliseconds, or what still differs after five seconds. For COMMAND, $tunnel is our XFRM interface,
# $sa names an outbound SA of ours and $policy a policy.
first() { tr '\\\t' '  ' | sed -E "s/ +/ /g; s,(mark 0x[0-9a-f]+)/,\1 mask ,; $1" | head -n 1; }
tunnel=$(ip -o link show type xfrm | grep -v -e foreign -e Tunnel0 | first 's/^[0-9]+: ([^:@]*).*/\1/')
sa=$(ip -o xfrm state show | grep '^src 172.18.1.1 ' | first 's/^(src [^ ]+ dst [^ ]+) (proto esp spi [^ ]+).*( mark [^ ]+ mask [^ ]+).*/\1 \2\3/')
# By its index: what names it else is more than `ip` can say.
policy=$(ip -o -s xfrm policy show | grep 'tmpl src 172.18.1.1 ' |
    first 's/.* (dir [^ ]+).*( index [^ ]+).*( mark [^ ]+ mask [^ ]+).*( if_id [^ ]+).*/\1\2\4\3/')
export tunnel sa policy

sh /mnt/state.sh >/run/before
sh -c "$1" || exit
start=$(date +%s%3N)
while end=$(date +%s%3N); sh /mnt/state.sh >/run/after; ! cmp -s /run/before /run/after; do
    if [ $((end - start)) -gt 5000 ]; then
        diff /run/before /run/after
        exit 1
    fi
done
echo $((end - start))
