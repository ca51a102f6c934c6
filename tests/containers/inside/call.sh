#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: call.sh WANT EXCHANGE CLIENT...    one call by each client (curl, python, node), as the whole of a container
set -eu
export WANT="$1" EXCHANGE="$2" URL=https://api.openai.com/v1/chat/completions
shift 2
for client in "$@"; do
	case $client in
	curl)
		set -- curl -sSf -o /dev/null -H "content-type: application/json" -H "authorization: Bearer $LT_KEY" \
			-H "x-lt-exchange: $EXCHANGE" -H "x-lt-want: $WANT; comm=curl" --data-binary @/lt/body "$URL"
		;;
	python) set -- python3 /lt/call.py ;;
	node) set -- node /lt/call.mjs ;;
	esac
	"$@"
done
