#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the clients of the live tests under build/: a venv, a node_modules, Netty and small C programs.
# Quick when all is there already. Needs the network the first time; without it the scenarios that miss a
# client are skipped by run.py, each with its reason.
set -eu
cd "$(dirname "$0")/../.."
# The distribution's own interpreter: it stays inside a container's root, a version manager's may not.
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

fresh() { # FILE STAMP: nothing to do
	[ -f "$2" ] && cmp -s "$1" "$2"
}

python_clients() {
	fresh tests/e2e/requirements.txt build/venv/requirements.stamp && return
	echo "  VENV     build/venv"
	"$python" -m venv --clear build/venv
	# What is imported is compiled when it is (into build/pycache, see bed.py): that is a small part of all.
	build/venv/bin/pip install -q --no-compile --disable-pip-version-check -r tests/e2e/requirements.txt
	cp tests/e2e/requirements.txt build/venv/requirements.stamp
}

node_clients() {
	fresh tests/e2e/package.json build/node/package.json.stamp && return
	echo "  NPM      build/node"
	mkdir -p build/node
	cp tests/e2e/package.json build/node/package.json
	(cd build/node && npm install --silent --no-audit --no-fund --no-package-lock)
	cp tests/e2e/package.json build/node/package.json.stamp
}

java_client() {
	source=tests/e2e/clients/java
	fresh $source/pom.xml build/java/pom.stamp && fresh $source/NettyCall.java build/java/source.stamp && return
	echo "  JAVA     build/java"
	rm -rf build/java
	mkdir -p build/java
	mvn -q -B -ntp --color never -f $source/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD/build/java/lib" \
		-Dplatform="linux-$(uname -m | sed 's/aarch64/aarch_64/')" >/dev/null &&
		javac -d build/java -cp 'build/java/lib/*' $source/NettyCall.java &&
		cp $source/pom.xml build/java/pom.stamp &&
		cp $source/NettyCall.java build/java/source.stamp
}

if command -v npm >/dev/null; then
	node_clients &
fi
python_clients
[ -z "${!:-}" ] || wait "$!"
if command -v mvn >/dev/null && command -v javac >/dev/null; then
	java_client || echo "setup: Netty is not to be had" >&2
fi

shared=tests/e2e/clients/call.c # main of some

c_client() { # NAME FLAG...; SOURCE where it has another name
	name=$1
	shift
	source=tests/e2e/clients/${SOURCE:-$name}.c
	if [ ! -x "build/e2e/$name" ] || [ -n "$(find "$source" $shared -newer "build/e2e/$name")" ]; then
		echo "  CC       build/e2e/$name"
		mkdir -p build/e2e
		"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror "$source" "$@" -o "build/e2e/$name"
	fi
}

library_client() { # NAME PKG_CONFIG_MODULES [SOURCE]: only where these libraries are
	# shellcheck disable=SC2086
	if pkg-config --exists $2; then
		# shellcheck disable=SC2046
		c_client "$1" ${3:-} $(pkg-config --cflags --libs $2)
	fi
}

c_client short_call -ldl
c_client pretender -s # without symbols
SOURCE=overwritten c_client overwritten
SOURCE=overwritten c_client overwritten_shifted -DSHIFT
if [ -n "$(find /usr/lib -name libssl.a 2>/dev/null)" ]; then
	SOURCE=short_call c_client static_call -DLINKED -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -ldl -lpthread
fi
library_client gnutls_call gnutls
library_client nss_call 'nss nspr'
if [ -e /usr/include/mbedtls/ssl.h ]; then
	c_client mbedtls_call $shared -lmbedtls -lmbedx509 -lmbedcrypto
fi
library_client wolfssl_call wolfssl $shared
