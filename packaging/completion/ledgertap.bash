# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion for bash: commands, options, and the values that are words.

_ledgertap_values()
{
	case $1:$2 in
	agent:--attach) echo "auto multi cookie plain" ;;
	calls:--format) echo "table json jsonl csv" ;;
	report:--format | runs:--format | keys:--format) echo "table json csv" ;;
	export:--format) echo "focus csv jsonl" ;;
	export:--focus-version) echo "1.4 1.2" ;;
	export:--focus-mode) echo "showback primary split" ;;
	keys:--findings) echo "shared unknown foreign new idle personal admin" ;;
	replay:--format) echo "jsonl json" ;;
	prices:--format) echo "table json csv" ;;
	replay:--http) echo "1.1 2" ;;
	prices:--tier) echo "standard batch flex priority" ;;
	*) return 1 ;;
	esac
}

_ledgertap_options()
{
	local filters="--since --until --tenant --team --provider --model --comm --container --namespace --workload --agent --run --pid --state-dir"

	case $1 in
	agent) echo "--config --state-dir --attach --returns --no-hurry --no-estimate --debug --help" ;;
	calls) echo "--follow --limit --format $filters --help" ;;
	report) echo "--by --format $filters --help" ;;
	runs) echo "--format $filters --help" ;;
	export)
		echo "--format --output --focus-version --focus-mode --invoice --billing-account --corrects --fresh --quarantine $filters --help"
		;;
	replay) echo "--format --http --split --config --prices --join-at --no-estimate --no-progress --help" ;;
	prices)
		echo "show lookup --provider --model --at --tier --prices --overlay --format --input --cache-read --cache-read-audio --cache-read-image" \
			"--cache-write --cache-write-5m --cache-write-1h --input-audio --input-image --output" \
			"--reasoning --output-audio --output-image --unit --help"
		;;
	containers) echo "--config --follow --json --help" ;;
	rules) echo "test check --last --fact --config --state-dir --json --help" ;;
	sinks) echo "--dead --json --config --state-dir --help" ;;
	pods) echo "--json --follow --timeout --config --help" ;;
	keys) echo "list fingerprint rotate --findings --check --format --config --state-dir --provider --force --help" ;;
	doctor) echo "--config --state-dir --help" ;;
	esac
}

# --by takes a list: what stands before the last comma is kept.
_ledgertap_by()
{
	local dimensions="tenant team use_case environment cost_center role provider model api operation host comm exe
		pid user unit container container_name image runtime pod namespace workload node cluster agent run session
		day hour status status_code category credential identity_source"
	local before=""

	[[ $1 == *,* ]] && before=${1%,*},
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$dimensions" -- "${1##*,}")
	compopt -o nospace
}

_ledgertap()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} values

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "agent calls report runs keys rules export sinks replay prices containers pods doctor probe-info version --help" -- "$word")
		return
	fi
	if [[ $command == report && $previous == --by ]]; then
		_ledgertap_by "$word"
		return
	fi
	if values=$(_ledgertap_values "$command" "$previous"); then
		mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
		return
	fi
	case $previous in
	--state-dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	--config | --prices | --overlay | --output | --corrects | --fresh | --quarantine) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	*)
		if [[ $command == replay && $word != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_ledgertap_options "$command")" -- "$word")
		fi
		;;
	esac
}

complete -o filenames -o default -F _ledgertap ledgertap
