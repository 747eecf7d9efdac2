#!/bin/sh
# The variants' defaults and the winner under compute-sanitizer: memcheck, initcheck and synccheck must find nothing;
# racecheck is advice, since it knows not all of the ways in which a kernel may wait.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
tool=$(command -v compute-sanitizer) || tool=/usr/local/cuda/bin/compute-sanitizer
if [ ! -x "$tool" ]; then
	echo "skipped: compute-sanitizer is not installed"
	exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
problem="b=1 h=2 sq=160 sk=200 d=64 dtype=f16"
check() { # tool, then what is judged
	which=$1
	shift
	rm -f "$work"/log*
	out=$(timeout 200 "$build/attune" judge --problem "$problem" "$@" --runner "$tool --tool $which --target-processes all \
		--log-file $work/log.%p $build/attune-run --limit 120" 2>&1)
	status=$?
	if grep -qs 'not supported\|Error: ' "$work"/log* && ! grep -qs 'ERROR SUMMARY: [1-9]' "$work"/log*; then
		echo "skipped: $which $*: $(cat "$work"/log* | grep 'not supported\|Error: ' | head -n 1 | cut -c1-120)"
	elif [ $status -ne 0 ]; then
		echo "FAIL: $which $*: $(printf '%s\n' "$out" | tail -n 1 | cut -c1-200)"
		failed=1
	elif ! grep -qs 'ERROR SUMMARY\|RACECHECK SUMMARY' "$work"/log*; then
		echo "skipped: $which $*: no summary was written"
	elif grep -qs 'SUMMARY: [1-9]' "$work"/log*; then
		found=$(cat "$work"/log* | grep -v '^========= *$' | head -n 6)
		[ "$which" = racecheck ] && echo "skipped: racecheck $*, as advice: $(echo "$found" | head -n 2 | tr '\n' ' ')" && return
		echo "FAIL: $which $*"
		echo "$found" | sed 's/^/      /'
		failed=1
	else
		echo "ok: $which $*: nothing found"
	fi
}
set --
for variant in $(sed -n 's/.*variants = {\(.*\)}.*/\1/p' "$root/kernels/attn/attn.lua" | tr -d '",'); do
	set -- "$@" --variant "$variant"
done
for name in memcheck initcheck synccheck racecheck; do check $name "$@"; done
problem="b=1 h=4 hkv=2 sq=3 sk=200 d=64 dtype=f16"  # one that `decode` is for: a cluster, tensor maps
for name in memcheck synccheck; do check $name --variant decode; done
exit $failed
