#!/bin/sh
# What a certificate authority serves: its list of revoked certificates, and answers about single ones.
openssl ocsp -ignore_err -index /srv/pki/index.txt -port 8080 -rsigner /srv/pki/ca.pem -rkey /srv/pki/ca.key -CA /srv/pki/ca.pem &
exec socat TCP-LISTEN:80,fork,reuseaddr SYSTEM:"read -r request; printf 'HTTP/1.0 200 OK\r\nContent-Type\: application/pkix-crl\r\n\r\n'; cat /srv/pki/ca.crl"
