#!/bin/sh
# libreswan from where it was unpacked, under the paths that it knows; then its daemon.
home=/srv/libreswan
export LD_LIBRARY_PATH=$home/usr/lib/x86_64-linux-gnu
mount -t tmpfs libexec /usr/libexec
cp -a $home/usr/libexec/ipsec /usr/libexec/
mount -t tmpfs lib /var/lib
mkdir -p /var/lib/ipsec/nss /run/pluto /run/etc
cp /srv/pki/nss/* /var/lib/ipsec/nss/
printf 'config setup\n\tikev1-policy=accept\n\tuniqueids=yes\n' >/run/etc/ipsec.conf
: >/run/etc/ipsec.secrets
exec /usr/libexec/ipsec/pluto --nofork --stderrlog --config /run/etc/ipsec.conf \
    --secretsfile /run/etc/ipsec.secrets --nssdir /var/lib/ipsec/nss --rundir /run/pluto
