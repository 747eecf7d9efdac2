#!/bin/sh
# The hostile corpus on the GPU: every entry gets its verdict within its limits, and an honest candidate right after each is
# judged right and timed within noise. With ATTUNE_EVIDENCE=x.json the table is written to x-hostile.json.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
corpus=$root/tests/hostile
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
"$corpus/tree" "$work/tree" "$build/hostile"
set -- --variant honest --variant honest --variant honest
for file in "$corpus"/*.cu; do
	name=$(basename "$file" .cu)
	[ "$name" = reference ] || [ "$name" = honest ] || set -- "$@" --variant "$name" --variant honest
done
started=$(date +%s)
(cd "$work" && timeout 500 "$build/attune" trial --json --root "$work/tree" --kernel hostile --problem seed --compile-limit 20 \
	"$@") >"$work/results" 2>"$work/errors"
[ ! -s "$work/errors" ] || sed 's/^/      /' "$work/errors"
evidence=${ATTUNE_EVIDENCE:+${ATTUNE_EVIDENCE%.json}-hostile}
[ -z "$evidence" ] || cp "$work/results" "$evidence.jsonl"
"$corpus/table" "$work/results" $(($(date +%s) - started)) ${evidence:+"$evidence.json"}
