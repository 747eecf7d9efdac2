#!/bin/sh
# What of the hostile corpus (tests/hostile) shows without a GPU: sources, options and machine code that are refused, damaged
# cubins, journals and frames, policies and families that misbehave. The rest is reported as skipped; tests/gpu/hostile.sh
# runs it.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
corpus=$root/tests/hostile
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
ok() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	[ -z "${2:-}" ] || tail -n 4 "$2" | cut -c1-300 | sed 's/^/      /'
	failed=1
}
header() { sed -n '/^\(\/\/\|--\|#\)/!q; s/^[-/#]* '"$1"': //p' "$2"; }

# --- kernels: compiled, and their machine code read ---------------------------------------------------------------
if command -v nvcc >/dev/null; then
	"$corpus/tree" "$work/tree" "$build/hostile"
	set --
	for file in "$corpus"/*.cu; do
		name=$(basename "$file" .cu)
		[ "$name" = reference ] || [ "$name" = honest ] || set -- "$@" --variant "$name"
	done
	(cd "$work" && "$build/attune" judge --compile-only --json --arch sm_90a --root "$work/tree" --kernel hostile \
		--problem seed --compile-limit 8 "$@") >"$work/results" 2>"$work/errors"
	"$corpus/table" "$work/results" 0 || failed=1
	[ ! -s "$work/errors" ] || fail "judge says on standard error" "$work/errors"
	[ -z "$(find "$work" "$build/hostile" -name '*hostile-was-here*')" ] && ok "no option ran or wrote anything" ||
		fail "an option was executed"
else
	echo "skipped: no nvcc"
fi
exit $failed
