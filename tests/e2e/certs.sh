#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: certs.sh DIR NAME...    a throw-away CA (DIR/ca.pem) and one leaf for all names (DIR/leaf.pem, leaf.key)
set -eu
dir=$1
shift
names=
for name in "$@"; do names="$names${names:+,}DNS:$name"; done
cd "$dir"
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 \
		-subj "/CN=ledgertap test CA" -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr \
		-subj "/CN=ledgertap test upstream"
	printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "$names" >leaf.ext
	openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.pem -days 2 -extfile leaf.ext
} >openssl.log 2>&1 || {
	cat openssl.log >&2
	exit 1
}
rm -f ca.key leaf.csr leaf.ext openssl.log
chmod 644 leaf.key
