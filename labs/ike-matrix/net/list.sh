#!/bin/sh
# Answers one HTTP request with the list.
while read -r line && [ "$line" != "$(printf '\r')" ]; do :; done
printf 'HTTP/1.0 200 OK\r\nContent-Type: application/pkix-crl\r\n\r\n'
cat /srv/pki/ca.crl
