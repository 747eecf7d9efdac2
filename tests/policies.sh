#!/bin/sh
# shellcheck disable=SC2015  # A && ok || fail: ok cannot fail
# Policies that mean harm (tests/hostile/*.policy.lua), as files: in `attune bench` on a recorded space and in `attune tune` on
# the recorded run. Each is named in a clear line, none hangs or crashes, and no trial is lost; those in *.refused.lua do not
# run at all. With SANITIZE=1 builds this also shows that none leaks. Then: the same seed gives the same trials.
set -u
build=${ATTUNE_BUILD:?run by tests/run}
root=${ATTUNE_ROOT:?run by tests/run}
# The longest takes 20 s of processor time, which a busy machine stretches.
case $build in */san) limit=900 ;; *) limit=400 ;; esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
ok() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	[ -z "${2:-}" ] || tail -n 4 "$2" | cut -c1-300 | sed 's/^/      /'
	failed=1
}
header() { sed -n '/^--/!q; s/^-- '"$1"': //p' "$2"; }
record=$root/tuned/records/attn-sm_90a-seed.jsonl.gz
mkdir -p "$work/tree/tuned" "$work/tree/build"
for name in lua kernels include tests; do ln -s "$root/$name" "$work/tree/$name"; done
mkdir -p "$root/build/attn" && ln -s "$root/build/attn" "$work/tree/build/attn"
cd "$work/tree" || exit 1
export ATTUNE_ROOT="$work/tree"

# A space of 8 x 8 x 8, a third of it forbidden, one of seven failed; a bowl with its best at 4, 2, 6.
awk 'BEGIN {
	print "#kernel=bowl device=none source=made up"
	print "A\tB\tC\tstatus\ttime_ms"
	for (a = 1; a <= 8; a++) for (b = 1; b <= 8; b++) for (c = 1; c <= 8; c++) {
		if ((a + b + c) % 3 == 0) continue
		if ((a * 5 + b * 3 + c) % 7 == 0) { printf "%d\t%d\t%d\tRuntimeFailedConfig\t\n", a, b, c; continue }
		printf "%d\t%d\t%d\tok\t%.4f\n", a, b, c, 1 + (a - 4) ^ 2 / 9 + (b - 2) ^ 2 / 7 + (c - 6) ^ 2 / 8
	}
}' >bowl.tsv

replay() { timeout $limit "$build/attune" tune --root . --record "$record" --out "$work/o" "$@"; }
trials() { cat build/runs/*/*/trials.jsonl | grep -c '"kind":"trial"'; }
count=0
for file in "$root"/tests/hostile/*.policy.lua; do
	name=$(basename "$file")
	says=$(header says "$file")
	count=$((count + 1))
	cp "$file" "$work/$name"
	timeout $limit "$build/attune" bench --policy "$work/$name" --trials 4 --repeats 1 --jobs 1 bowl.tsv >"$work/out" 2>"$work/errors"
	status=$?
	if [ $status -ne 0 ] || ! grep -q '^mean	' "$work/out"; then
		fail "$name: bench ends with status $status" "$work/errors"
	elif ! grep -q -- "$says" "$work/errors"; then
		fail "$name: bench does not say '$says'" "$work/errors"
	fi
	rm -rf build/runs
	[ -z "$(header slow "$file")" ] || { ok "$name: named"; continue; }
	replay --policy "$work/$name" --trials 8 >"$work/out" 2>&1
	status=$?
	if [ $status -ne 0 ] || [ "$(trials)" -lt 8 ]; then
		fail "$name: tune ends with status $status after $(trials) trials" "$work/out"
	elif ! grep -q -- "$says" "$work/out"; then
		fail "$name: tune does not say '$says'" "$work/out"
	else
		ok "$name: named, no trial lost"
	fi
done
[ $count -ge 20 ] && ok "$count hostile policies" || fail "only $count hostile policies"

for file in "$root"/tests/hostile/*.refused.lua; do
	name=$(basename "$file")
	says=$(header says "$file")
	if grep -q '^-- bytes: ' "$file"; then
		# shellcheck disable=SC2059  # the bytes are a format
		printf "$(header bytes "$file")" >"$work/$name"
	else
		cp "$file" "$work/$name"
	fi
	rm -rf build/runs
	replay --policy "$work/$name" --trials 4 >"$work/out" 2>&1
	status=$?
	[ $status -eq 1 ] && grep -q -- "$says" "$work/out" && ok "$name: refused" || fail "$name: status $status" "$work/out"
done
[ -z "$(find "$work" "$root" -maxdepth 1 -name 'hostile-was-here*')" ] || fail "something was executed"

# The same seed, the same trials in the same order: whatever the number of compilers, for every policy.
candidates() { sed -n 's/.*"kind":"trial".*"candidate":"\([^"]*\)".*/\1/p' build/runs/*/*/trials.jsonl; }
for policy in lua/policy.lua lua/policies/plan45.lua lua/policies/genetic.lua; do
	for jobs in 1 2 8; do
		rm -rf build/runs
		replay --policy "$policy" --trials 45 --seed 3 --jobs $jobs >"$work/out" 2>&1 || fail "$policy with $jobs jobs" "$work/out"
		candidates >"$work/c$jobs"
	done
	cmp -s "$work/c1" "$work/c2" && cmp -s "$work/c1" "$work/c8" && [ "$(wc -l <"$work/c1")" -ge 45 ] &&
		ok "$policy: the same $(wc -l <"$work/c1") trials with 1, 2 and 8 jobs" || fail "$policy: jobs change the trials"
done
exit $failed
