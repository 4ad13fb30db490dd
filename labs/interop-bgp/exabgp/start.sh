mkfifo /run/words
exec exabgp /mnt/exabgp.conf
