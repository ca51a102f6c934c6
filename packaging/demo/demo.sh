#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Shows ledgertap on a machine that has no LLM traffic: a stand-in for the providers, three tenants whose
# ordinary clients call it under the providers' real names, and what the agent made of that.
# usage: demo.sh        as root, after `make`; `sudo make demo` does both. Ends by itself, leaves nothing behind.
set -eu
cd "$(dirname "$0")/../.."
repo=$(pwd)
ledgertap=$repo/build/ledgertap
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)
hosts="api.openai.com api.anthropic.com ledger-demo.openai.azure.com llm.example.internal"

[ "$(id -u)" = 0 ] || { echo "demo: probes need root: sudo make demo" >&2; exit 1; }
[ -x "$ledgertap" ] || { echo "demo: $ledgertap is not built: run make first" >&2; exit 1; }

dir=$(mktemp -d /tmp/ledgertap-demo.XXXXXX)
chmod 755 "$dir"
agent=''
upstream=''
# shellcheck disable=SC2317 # called by the trap
end() {
	trap - EXIT INT TERM
	[ -z "$agent" ] || { kill "$agent" && wait "$agent"; } 2>/dev/null || true
	[ -z "$upstream" ] || { kill "$upstream" && wait "$upstream"; } 2>/dev/null || true
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || title() { printf '\n%s\n' "$*"; }

wait_for() { # FILE WORD PID: until the word is in the file
	for _ in $(seq 200); do
		grep -q "$2" "$1" 2>/dev/null && return
		kill -0 "$3" 2>/dev/null || break
		sleep 0.05
	done
	echo "demo: no '$2' in time:" >&2
	cat "$1" >&2
	exit 1
}

title "1. A stand-in for the providers, in a network namespace of its own"
# Its hosts file leads $hosts to it, and only clients in there see that.
mkdir "$dir/certs"
# shellcheck disable=SC2086 # one word per host
tests/e2e/certs.sh "$dir/certs" $hosts
echo "127.0.0.1 localhost $hosts" >"$dir/hosts"
unshare -n -m --propagation private tests/e2e/world.sh "$dir/hosts" \
	"$python" -B tests/e2e/upstream.py --certs "$dir/certs" --log "$dir/served" >"$dir/upstream.log" 2>&1 &
upstream=$!
wait_for "$dir/upstream.log" "exchanges on port" "$upstream"
sed 's/^/   /' "$dir/upstream.log"

title "2. The agent, on the host: it knows nothing of the stand-in and has no proxy, no key, no SDK"
cat >"$dir/ledgertap.yaml" <<'YAML'
attribution:
  env: [TENANT, TEAM]
  rules:
    - match: {env.TENANT: "*"}
      set: {tenant: "${env.TENANT}", team: "${env.TEAM}"}
hosts:
  - {host: llm.example.internal, provider: openai_compatible}
YAML
sed 's/^/   /' "$dir/ledgertap.yaml"
"$ledgertap" agent --config "$dir/ledgertap.yaml" --state-dir "$dir/state" >"$dir/agent.log" 2>&1 &
agent=$!
wait_for "$dir/agent.log" ready "$agent"
sed 's/^/   /' "$dir/agent.log"

# A tenant's process: curl or Python, as it is, that only has to trust the stand-in's certificate.
as() { # TENANT TEAM CMD...
	tenant=$1 team=$2
	shift 2
	TENANT=$tenant TEAM=$team CURL_CA_BUNDLE=$dir/certs/ca.pem SSL_CERT_FILE=$dir/certs/ca.pem \
		nsenter -t "$upstream" -n -m -- "$@"
}
ask() { # URL JSON [CURL_OPTION...]: one call by curl
	url=$1 json=$2
	shift 2
	as "$tenant" "$team" curl -sS --compressed -o /dev/null "$url" -H "content-type: application/json" \
		-H "authorization: Bearer sk-of-the-demo" -d "$json" "$@"
}

title "3. Three tenants at work"
openai=https://api.openai.com/v1
anthropic=https://api.anthropic.com/v1
hello='"messages":[{"role":"user","content":"Good morning"}]'

echo "   acme      shop      curl     chat, streamed chat, a tool call, embeddings"
tenant=acme team=shop
ask $openai/chat/completions "{\"model\":\"gpt-4o-mini\",$hello}"
stream='"stream":true,"stream_options":{"include_usage":true}'
ask $openai/chat/completions "{\"model\":\"gpt-4.1-mini\",$stream,$hello}"
ask $openai/chat/completions "{\"model\":\"gpt-4.1\",$hello}"
ask $openai/embeddings '{"model":"text-embedding-3-small","input":["harbour","lighthouse"]}'

echo "   globex    claims    Python   messages and streamed messages with a prompt cache, the same on Azure"
as globex claims "$python" -B "$repo/packaging/demo/client.py" anthropic azure

echo "   initech   research  both     responses with reasoning, a call that is over its limit, an in-house model"
tenant=initech team=research
as $tenant $team "$python" -B "$repo/packaging/demo/client.py" openai
ask $openai/chat/completions "{\"model\":\"gpt-4o\",$hello}" -H "x-lt-exchange: openai-chat-429"
ask $anthropic/messages "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":64,\"stream\":true,$hello}"
ask https://llm.example.internal/v1/chat/completions "{\"model\":\"house-7b-instruct\",$hello}"

made=$(wc -l <"$dir/served")
for _ in $(seq 100); do
	[ "$("$ledgertap" calls --format jsonl --state-dir "$dir/state" | wc -l)" -ge "$made" ] && break
	sleep 0.05
done

title "4. ledgertap calls        ($made calls were made)"
"$ledgertap" calls --state-dir "$dir/state"

title "5. ledgertap report --by tenant,model --since 1h"
"$ledgertap" report --by tenant,model --since 1h --state-dir "$dir/state"
echo
