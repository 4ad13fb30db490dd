#!/bin/sh
# What a certificate authority serves: its list of revoked certificates, and answers about single ones.
openssl ocsp -ignore_err -index /srv/pki/index.txt -port 8080 -rsigner /srv/pki/ca.pem -rkey /srv/pki/ca.key -CA /srv/pki/ca.pem &
exec socat TCP-LISTEN:80,fork,reuseaddr EXEC:"sh /mnt/list.sh"
