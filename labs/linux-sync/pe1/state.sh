# All that the kernel holds for forwarding, sorted, without what differs from moment to moment or from one making to the
# next: counters, ages, indexes, made-up link addresses, and of SAs the numbers and keys. Few processes: each takes its time.
shown() {
    ip -force -o -d -batch - <<END
link show
address show
route show table all
rule show
xfrm state show
xfrm policy show
END
    ip -6 rule show
    devices=$(tc qdisc show | sed -n 's/^qdisc clsact .* dev \([^ ]*\) .*/\1/p')
    for device in $devices; do
        for way in ingress egress; do
            printf 'qdisc show dev %s\nfilter show dev %s %s\n' "$device" "$device" $way
        done
    done | tc -force -batch - | awk -v devices="$(echo $devices)" '
        BEGIN { split(devices, device, " ") }
        /^qdisc/ { if ($2 == "clsact") printf "\nfilters %s %s", device[int(at / 2) + 1], at++ % 2 ? "egress" : "ingress"; next }
        { printf " %s", $0 }
        END { print "" }'
}
shown 2>/dev/null | sed -E '
    s/^[0-9]+: //; s/@[^:]*:/:/; s/link\/ether [^ ]+ //; s/ (qlen|gso|gro|tso|num)[a-z0-9_]* [0-9]+//g; s/ expires [^ ]+//
    s/anti-replay esn context:\\[^\\]*\\[^\\]*\\([\t ]+[0-9a-f]{8}[0-9a-f ]*\\)*//; s/anti-replay context:[^\\]*\\//
    s/ (spi|reqid) [0-9a-fx]+//g; s/(auth-trunc|auth|enc|aead) [^ ]+ 0x[0-9a-f]+//g; s/[ \t](index|handle|ref|bind) [0-9a-fx]+//g
    s/[\\\t ]+/ /g; s/ $//; /fe80|ff00::|^anycast|^filters [^ ]+ [^ ]+$/d' | sort -u
