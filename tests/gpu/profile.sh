#!/bin/sh
# ncu and compute-sanitizer as a tune uses them, on a short one of attn without the programs among its baselines: the elite
# has a profile with every figure, the winner is clean, and the seconds that both took. Then what `make profile` keeps.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
PATH=$PATH:/usr/local/cuda/bin:/opt/cuda/bin
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
fail() {
	echo "FAIL: $1"
	[ ! -s "${2:-}" ] || tail -n 6 "$2" | cut -c1-300 | sed 's/^/      /'
	failed=1
}
timeout 200 "$build/attune" tune --trials 6 --processes 1 --profile 1 --python false --out "$work/out" >"$work/log" 2>&1 ||
	fail "a short tune" "$work/log"
journal=$root/$(sed -n 's/^journal *//p' "$work/log" | sed 's|^\./||; s|^'"$root"'/||')
seconds() { grep "\"kind\":\"$1\"" "$journal" | sed -n 's/.*"seconds":\([0-9.]*\).*/\1/p' | tail -n 1; }

profile=$(grep -m 1 '^profile ' "$work/log" | cut -c1-200)
if ! command -v ncu >/dev/null; then
	echo "skipped: ncu is not installed"
elif printf '%s' "$profile" | grep -q ERR_NVGPUCTRPERM; then
	echo "skipped: $profile"
else
	whole=1
	for figure in issue tensor xu shared l2 dram occupancy bank_conflicts; do
		printf '%s' "$profile" | grep -q " $figure [0-9]" || whole=
	done
	if [ -n "$whole" ]; then
		echo "ok: an elite was profiled in $(seconds profile) s: $profile"
	else
		fail "a profile: ${profile:-no line of it}" "${journal%/*}/tool/ncu.log"
	fi
	if "$root/tests/gpu/profile" "$build" "$root/tuned/attn_best.h" >"$work/report" 2>&1; then
		echo "ok: the committed winner's report, $(tail -n 1 "$work/report")"
		grep -E 'Duration|Achieved Occupancy' "$work/report" | head -n 4
	else
		fail "the committed winner's report" "$work/report"
	fi
fi

said=$(grep '^sanitizer ' "$work/log" | cut -c1-300)
case $said in
'') fail "nothing is said of compute-sanitizer" "$work/log" ;;
*"not installed"*) echo "skipped: $said" ;;
*disqualifies*) fail "$said" ;;
"sanitizer memcheck, initcheck, synccheck"*": clean"*) echo "ok: the winner in $(seconds sanitizer) s: $said" ;;
*) fail "$said" "${journal%/*}/tool/memcheck.log" ;;
esac
seconds sanitizer | awk '$1 > 13 { bad = 1 } END { exit !bad }' && fail "compute-sanitizer took $(seconds sanitizer) s"
exit $failed
