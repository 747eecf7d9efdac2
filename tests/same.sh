#!/bin/sh
# shellcheck disable=SC2015  # A && ok || fail: ok cannot fail
# Machine code that was tried before is neither judged nor timed again and takes none of the trials: on the stand-in driver,
# replayed, resumed and with any number of compilers. The family is tests/families/blend with two more axes: IDLE, which
# changes nothing, and SPARE, which only changes the launch.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
	echo "skipped: no nvcc"
	exit 0
fi
PATH=$PATH:/usr/local/cuda/bin
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
ok() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	[ -z "${2:-}" ] || tail -n 8 "$2" | cut -c1-200 | sed 's/^/      /'
	failed=1
}
for name in lua include; do ln -s "$root/$name" "$work/$name"; done
mkdir -p "$work/kernels" "$work/build" "$build/hostile-blend"
cp -R "$root/tests/families/blend" "$work/kernels/"
# Compiled once for all runs of this test: the cache is addressed by content.
ln -s "$build/hostile-blend" "$work/build/blend"
cd "$work" || exit 1
export ATTUNE_ROOT="$work"
awk '/axis { "ORDER"/ {
	print "    axis { \"IDLE\", values = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 }, about = \"nothing\" },"
	print "    axis { \"SPARE\", values = { 1, 2 }, about = \"CTAs without rows\" },"
} { sub(/ceildiv\(p.rows, 8\)/, "ceildiv(p.rows, 8) * c.SPARE"); print }' "$root/tests/families/blend/direct.lua" \
	>kernels/blend/direct.lua

# Proposals in a fixed order, and what is told of each.
cat >list.lua <<'LUA'
lookahead = 3
local list = { { 64, 0, 1 }, { 64, 1, 1 }, { 32, 2, 1 }, { 64, 2, 1 }, { 32, 0, 1 }, { 64, 3, 2 }, { 64, 4, 2 }, { 128, 0, 1 } }
local at = 0
function seed(run)
  at = at + 1
  local c = list[at]
  return { c and { variant = "direct", WIDTH = c[1], IDLE = c[2], SPARE = c[3] } or run.space:default("steps") }
end
breed = seed
function observe(run, t)
  run.log("told %s same=%s tried=%d time=%.3f", t.key, t.same_as or "-", run.tried, t.time_us)
end
LUA
live="env LD_LIBRARY_PATH=$build/tests/fakecuda $build/attune-run"
tune() { "$build/attune" tune --kernel blend --problem seed --policy list.lua --trials 5 "$@"; }
told() { grep '^told' "$1" | sed 's/ time=.*//'; }
journal() { ls build/runs/*/1/trials.jsonl; }
sent() { grep -c '"kind":"intent"' "$(journal)"; }

cat >want <<'END'
told direct WIDTH=64 UNROLL=1 IDLE=0 SPARE=1 ORDER=0 same=- tried=1
told direct WIDTH=64 UNROLL=1 IDLE=1 SPARE=1 ORDER=0 same=direct WIDTH=64 UNROLL=1 IDLE=0 SPARE=1 ORDER=0 tried=1
told direct WIDTH=32 UNROLL=1 IDLE=2 SPARE=1 ORDER=0 same=- tried=2
told direct WIDTH=64 UNROLL=1 IDLE=2 SPARE=1 ORDER=0 same=direct WIDTH=64 UNROLL=1 IDLE=0 SPARE=1 ORDER=0 tried=2
told direct WIDTH=32 UNROLL=1 IDLE=0 SPARE=1 ORDER=0 same=direct WIDTH=32 UNROLL=1 IDLE=2 SPARE=1 ORDER=0 tried=2
told direct WIDTH=64 UNROLL=1 IDLE=3 SPARE=2 ORDER=0 same=- tried=3
told direct WIDTH=64 UNROLL=1 IDLE=4 SPARE=2 ORDER=0 same=direct WIDTH=64 UNROLL=1 IDLE=3 SPARE=2 ORDER=0 tried=3
told direct WIDTH=128 UNROLL=1 IDLE=0 SPARE=1 ORDER=0 same=- tried=4
told steps WIDTH=64 same=- tried=5
END
check_told() { told "$2" >have; cmp -s want have && ok "$1" || { fail "$1" "$2"; diff want have | head -n 6; }; }

tune --jobs 1 --out live --runner "$live" >log 2>&1 || fail "a live run" log
check_told "live: the policy is told which trials repeat which, and 5 trials are made" log
[ "$(sent)" -eq 5 ] && ok "live: 5 of 9 candidates were judged and timed" || fail "live: $(sent) were sent instead of 5" log
grep -q '^ *4  had machine code that was tried before' log && ok "the report counts them" || fail "the report does not count 4" log
same_times() { # a repeated trial has the time of the one that it repeats
	awk '/^told/ { key = of = $0; sub(/^told /, "", key); sub(/ same=.*/, "", key); sub(/.* same=/, "", of); sub(/ tried=.*/, "", of)
		time[key] = $NF; if (of != "-" && time[of] != $NF) bad = 1 } END { exit bad }' "$1"
}
same_times log && ok "with the time that was measured once" || fail "a repeated trial has a time of its own" log
"$build/attune" record "$(journal)" run.jsonl.gz >out 2>&1 || fail "its record" out

for jobs in 2 8; do
	rm -rf build/runs
	tune --jobs $jobs --out jobs --runner "$live" >log 2>&1 || fail "a live run with $jobs compilers" log
	check_told "live with $jobs compilers: told the same" log
	[ "$(sent)" -eq 5 ] || fail "live with $jobs compilers: $(sent) were sent instead of 5" log
done
for jobs in 1 8; do
	rm -rf build/runs
	tune --jobs $jobs --out replayed --record run.jsonl.gz >log 2>&1 || fail "a replay" log
	check_told "replayed with --jobs $jobs: told the same" log
done

# Every place where a run can be cut: the journal up to there, and the same command.
rm -rf build/runs
tune --out whole --runner "$live" >log 2>&1 || fail "a run to be cut" log
cp "$(journal)" whole.jsonl
lines=$(wc -l <whole.jsonl)
cut=2
bad=0
while [ $cut -lt "$lines" ] && [ "$(sed -n "${cut}p" whole.jsonl | grep -c '"kind":"champion"')" -eq 0 ]; do
	head -n $cut whole.jsonl >"$(journal)"
	tune --out cut --runner "$live" >log 2>&1 || { bad=1; fail "cut after line $cut" log; }
	told log >have
	cmp -s want have || { bad=1; fail "cut after line $cut: told otherwise" log; }
	twice=$(grep '"kind":"trial"' "$(journal)" | sed 's/.*"candidate":"\([^"]*\)".*/\1/' | sort | uniq -d | wc -l)
	[ "$twice" -eq 0 ] || { bad=1; fail "cut after line $cut: $twice trials twice"; }
	cut=$((cut + 4))
done
[ $bad -eq 0 ] && [ $cut -gt 6 ] && ok "cut anywhere and gone on with: told the same"

# A policy that proposes nothing else does not run for ever.
cat >idle.lua <<'LUA'
local n = -1
function seed(run)
  n = n + 1
  return { { variant = "direct", IDLE = n % 14 } }
end
breed = seed
LUA
rm -rf build/runs
timeout 300 "$build/attune" tune --kernel blend --problem seed --policy idle.lua --trials 3 --out idle --runner "$live" >log 2>&1
status=$?
[ $status -eq 0 ] && grep -q 'policy: 9 of its candidates are machine code that had been tried before' log &&
	grep -q '1 of 3 trials were made' log && ok "9 repeats of a budget of 3: the run ends and says why" ||
	fail "a policy that only repeats: status $status" log

# What a replay goes by.
without=$(gzip -dc run.jsonl.gz | grep '"kind":"trial"' | grep -vc cubin_sha256)
[ "$without" -eq 0 ] && ok "the record says what each machine code was" || fail "$without recorded trials without a hash"
exit $failed
