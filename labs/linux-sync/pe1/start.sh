# The first start finds what others have put into the kernel; later ones find that and what the daemon left. /run/words
# holds further words for the daemon.
if [ ! -e /run/foreign ]; then
    sh /mnt/state.sh >/run/bare
    sh /mnt/plant.sh || exit
    sh /mnt/state.sh | comm -13 /run/bare - >/run/foreign
fi
exec onrampd --config /mnt/onramp.conf $(cat /run/words 2>/dev/null)
