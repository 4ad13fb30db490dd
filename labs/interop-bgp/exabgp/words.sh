# What is written into the pipe is said to ExaBGP.
while :; do cat /run/words; done
