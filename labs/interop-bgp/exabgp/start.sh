rm -f /run/words
mkfifo /run/words
exec exabgp /mnt/exabgp.conf
