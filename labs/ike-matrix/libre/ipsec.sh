#!/bin/sh
# Runs a program of libreswan: `ipsec.sh whack …`.
export LD_LIBRARY_PATH=/srv/libreswan/usr/lib/x86_64-linux-gnu
program=$1
shift
exec "/usr/libexec/ipsec/$program" "$@"
