#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make run`: starts the agent on this host and shows its calls as they happen, until Ctrl-C.
set -eu
binary=$1
state=${LEDGERTAP_STATE:-/var/lib/ledgertap}
if [ "$(id -u)" -ne 0 ]; then
	echo "run: the agent needs root to load its probes: sudo make run" >&2
	exit 1
fi
log=$(mktemp)
"$binary" agent --state-dir "$state" 2>"$log" &
agent=$!
trap 'kill $agent 2>/dev/null; wait $agent 2>/dev/null; rm -f "$log"; exit 0' INT TERM HUP EXIT
while ! grep -q ready "$log"; do
	if ! kill -0 $agent 2>/dev/null; then
		cat "$log" >&2
		exit 1
	fi
	sleep 0.1
done
cat "$log" >&2
echo "Every LLM call of this host is shown below as it happens. Ctrl-C ends the agent; the ledger stays in $state." >&2
"$binary" calls --follow --state-dir "$state" --since 1s
