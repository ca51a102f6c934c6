#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that building and testing needs. With --if-missing it does nothing when all are there.
# bpftool is a package of its own on Debian and part of linux-tools on Ubuntu; clang's sanitizer runtime has the version in its name.
set -eu
only_missing=no
if [ "${1:-}" = --if-missing ]; then
	only_missing=yes
	shift
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "deps: this needs apt (Debian 12 or Ubuntu 24.04). Elsewhere install the like of: $*" >&2
	exit 1
fi
missing=
for package in "$@"; do
	dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' || missing="$missing $package"
done
# Clients of the live tests: libcurl on GnuTLS, and on NSS where the distribution still builds that.
ls /usr/lib/*/libcurl-gnutls.so.4 >/dev/null 2>&1 || missing="$missing CURL_GNUTLS"
if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
	ls /usr/lib/*/libcurl-nss.so.4 >/dev/null 2>&1 || missing="$missing libcurl3-nss"
fi
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
sh "$(dirname "$0")/find-bpftool" >/dev/null || missing="$missing BPFTOOL"
ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1 || missing="$missing CLANG_RT"
if [ -z "$missing" ] && [ "$only_missing" = yes ]; then
	exit 0
fi
[ -n "$missing" ] || missing=" $*"
if [ "$(id -u)" -ne 0 ]; then
	echo "deps: run as root ('sudo make deps'); missing:$missing" >&2
	exit 1
fi
apt-get -q update
# A name that other packages provide is known to apt, but is nothing to install.
pick() {
	for candidate in "$@"; do
		if LC_ALL=C apt-cache policy "$candidate" | grep -q '^  Candidate: [^(]'; then
			echo "$candidate"
			return
		fi
	done
	echo "deps: none of these packages is to be had: $*" >&2
	exit 1
}
packages=
for package in $missing; do
	case $package in
	BPFTOOL) package=$(pick bpftool linux-tools-generic) ;;
	CURL_GNUTLS) package=$(pick libcurl3-gnutls libcurl3t64-gnutls) ;;
	CLANG_RT) package=$(pick libclang-rt-dev libclang-rt-18-dev libclang-rt-14-dev) ;;
	clang-format-14) package=$(pick clang-format-14) ;;
	esac
	packages="$packages $package"
done
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=600 $packages
if ! sh "$(dirname "$0")/find-bpftool" >/dev/null; then
	echo "deps: no bpftool here works. On Ubuntu it comes with the linux-tools package of some kernel; any will do:" >&2
	echo "deps:   apt-get install linux-tools-generic     (or say where one is: make BPFTOOL=/path/to/bpftool)" >&2
	exit 1
fi
