#!/bin/sh
# shellcheck disable=SC2015,SC2044  # A && ok || fail: ok cannot fail; the folders made here have plain names
# The whole of `attune tune` on real recorded times (tuned/records): determinism, resume after a kill, policies that are edited,
# broken or endless, and bad input. Runs in a copy of the scripts, so that nothing of the tree is touched.
set -u
# Sanitizers cost a multiple of the time and memory, which say nothing then.
case ${ATTUNE_BUILD:-} in
*/san) sanitized=1 limit=600 ;;
*) sanitized='' limit=120 ;;
esac
build=${ATTUNE_BUILD:?run by tests/run}
root=${ATTUNE_ROOT:?run by tests/run}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

ok() { echo "ok: $1"; }
fail() { echo "FAIL: $1"; [ -z "${2:-}" ] || tail -n 5 "$2" | sed 's/^/      /'; failed=1; }
# expect NAME STATUS PATTERN command...: the exit status, and a line of output that matches.
expect() {
	name=$1 want=$2 pattern=$3
	shift 3
	timeout $limit "$@" >"$work/out" 2>&1
	got=$?
	if [ "$got" -ne "$want" ]; then
		fail "$name: status $got instead of $want" "$work/out"
	elif ! grep -Eq -- "$pattern" "$work/out"; then
		fail "$name: no line matches '$pattern'" "$work/out"
	else
		ok "$name"
	fi
}

record=$root/tuned/records/attn-sm_90a-seed.jsonl.gz
if [ ! -f "$record" ]; then
	fail "no record of the seed problem under tuned/records"
	exit 1
fi
mkdir -p "$work/tree/build"
cp -R "$root/lua" "$root/kernels" "$root/include" "$work/tree/"
mkdir -p "$work/tree/tuned"
ln -s "$root/tuned/records" "$work/tree/tuned/records"
# The compiled winner is shared with the tree that built this program: compiling it again shows nothing new.
mkdir -p "$root/build/attn" && ln -s "$root/build/attn" "$work/tree/build/attn"
cd "$work/tree" || exit 1
attune=$build/attune

# A program of its own, so that timeout can start it and a kill reaches it.
tune=$work/tune
printf '#!/bin/sh\nexec "%s" tune --root . --record "%s" --out "%s" "$@"\n' "$attune" "$record" "$work/o" >"$tune"
chmod +x "$tune"
candidates() { sed -n 's/.*"kind":"trial".*"candidate":"\([^"]*\)".*/\1/p' "$1"; }
journal() { find build/runs -name trials.jsonl | head -n 1; }
fresh() { rm -rf build/runs "$work/o"; }

# --- the same run gives the same bytes, with any number of compilers ---------------------------------------------
fresh
"$tune" --trials 45 >"$work/first" 2>&1 || fail "a replayed run of 45 trials" "$work/first"
candidates "$(journal)" >"$work/c1"
cp "$work/o/attn_best.h" "$work/h1" 2>/dev/null
grep -q 'REPLAY' "$work/first" && ok "a replay says so" || fail "a replay does not say so" "$work/first"
[ "$(wc -l <"$work/c1")" -eq 45 ] && ok "45 trials" || fail "$(wc -l <"$work/c1") trials instead of 45"
fresh
"$tune" --trials 45 --jobs 7 >"$work/out" 2>&1
candidates "$(journal)" >"$work/c2"
cmp -s "$work/c1" "$work/c2" && ok "same seed, same trials, any number of jobs" || fail "the same seed gave other trials"
cmp -s "$work/h1" "$work/o/attn_best.h" && ok "same header" || fail "the same run gave another header"
fresh
"$tune" --trials 45 --seed 2 >"$work/out" 2>&1
candidates "$(journal)" >"$work/c2"
cmp -s "$work/c1" "$work/c2" && fail "another seed changed nothing" || ok "another seed gives other trials"

# --- killed at random moments, then the same command ---------------------------------------------------------------
fresh
"$tune" --trials 300 >"$work/out" 2>&1 || fail "300 trials" "$work/out"
cp "$work/o/attn_best.h" "$work/h300"
fresh
finished() { cat build/runs/*/*/trials.jsonl 2>/dev/null | grep '"kind":"trial"' | grep -vc '"same_as"'; }
kills=0
before=0
# A kill counts when trials were finished since the last one and the run was not over.
for more in 1 7 20 3 40 11; do
	"$tune" --trials 300 >"$work/out" 2>&1 &
	pid=$!
	polls=0
	while [ "$(finished)" -lt $((before + more)) ] && [ $polls -lt 1000 ]; do
		sleep 0.01
		polls=$((polls + 1))
	done
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	now=$(finished)
	if [ "$now" -gt "$before" ] && [ "$now" -lt 300 ]; then kills=$((kills + 1)); fi
	before=$now
done
"$tune" --trials 300 >"$work/out" 2>&1 || fail "going on after kills" "$work/out"
grep -q "^resuming  $before trials" "$work/out" && [ "$kills" -ge 4 ] && ok "$kills kills, $before finished trials taken up" ||
	fail "a killed run was not taken up: $kills kills, $before finished trials" "$work/out"
[ "$(finished)" -eq 300 ] && ok "300 trials in all" || fail "$(finished) trials in the journal instead of 300"
for j in $(find build/runs -name trials.jsonl); do candidates "$j" | sort | uniq -d; done >"$work/twice"
[ -s "$work/twice" ] && fail "trials were run twice" "$work/twice" || ok "no finished trial is run twice"
cmp -s "$work/h300" "$work/o/attn_best.h" && ok "the result of a killed run stands" || fail "kills changed the result"

# --- the policy is the user's --------------------------------------------------------------------------------------
fresh
sed 's/^explore = [0-9.]*/explore = 4/' lua/policy.lua >"$work/p.lua"
cmp -s lua/policy.lua "$work/p.lua" && fail "lua/policy.lua has no line 'explore = N'"
"$tune" --trials 45 --policy "$work/p.lua" >"$work/out" 2>&1
candidates "$(journal)" >"$work/c2"
cmp -s "$work/c1" "$work/c2" && fail "another uncertainty changed nothing" || ok "one edited number changes the run"
for gone in seed breed; do
	fresh
	awk -v f="^function $gone\\\\(" '$0 ~ f { skip = 1 } !skip { print } skip && /^end/ { skip = 0 }' lua/policy.lua >"$work/p.lua"
	expect "without $gone() the default takes its place" 0 '^winner' "$tune" --trials 45 --policy "$work/p.lua"
done
fresh
printf 'population = 5\nfunction seed(run)\n  return = 3\nend\n' >"$work/p.lua"
expect "a syntax error names file and line" 1 'p\.lua:3:' "$tune" --trials 5 --policy "$work/p.lua"
fresh
printf 'function breed(run)\n  local x = nil\n  return x.y\nend\n' >"$work/p.lua"
expect "a mistake at run time names file and line, and no trial is lost" 0 'p\.lua:3:' "$tune" --trials 30 --policy "$work/p.lua"
fresh
printf 'function breed(run)\n  while true do pcall(error, 1) end\nend\n' >"$work/p.lua"
expect "an endless policy is stopped" 0 'p\.lua:2:' "$tune" --trials 12 --policy "$work/p.lua"

# --- cost ----------------------------------------------------------------------------------------------------------
fresh
"$tune" --trials 1000 >"$work/out" 2>&1 || fail "1000 trials" "$work/out"
cost=$(sed -n 's/^host .* \([0-9.]*\) ms of CPU a trial, peak \([0-9]*\) MiB.*/\1 \2/p' "$work/out")
n=$(candidates "$(journal)" | wc -l)
if [ -n "$sanitized" ]; then
	echo "skipped: the cost of a trial under sanitizers ($n trials ran)"
elif echo "$cost" | awk '{ exit !($1 > 0 && $1 < 5 && $2 > 0 && $2 < 64) }'; then
	ok "1000 trials: $n run, ${cost% *} ms of CPU a trial, peak ${cost#* } MiB"
else
	fail "cost of a trial over 5 ms or 64 MiB: '$cost' ($n trials)" "$work/out"
fi

# --- bad input: one line, the remedy, nothing lost -----------------------------------------------------------------
fresh
mkdir -p "$work/o" && echo old >"$work/o/attn_best.h"
expect "unknown dimension" 1 "heads" "$tune" --problem "b=1 heads=8 sq=512 d=64"
expect "value that is not allowed" 1 "d=65" "$tune" --problem "h=8 sq=512 d=65"
expect "dimension out of range" 1 "sq" "$tune" --problem "h=8 sq=0 d=64"
expect "repeated dimension" 1 "sq" "$tune" --problem "h=8 sq=1 sq=2 d=64"
expect "unknown named problem" 1 "seeed" "$tune" --problem seeed
expect "unknown arch" 1 "sm_12345" "$tune" --arch sm_12345
expect "no compiler" 1 "NVCC=" "$tune" --nvcc "$work/no-nvcc"
expect "unknown kernel" 1 "nothing-here" "$tune" --kernel nothing-here
expect "missing policy" 1 "no-policy.lua" "$tune" --policy "$work/no-policy.lua"
expect "trials that are no number" 2 "--trials" "$tune" --trials many
expect "unknown flag" 2 "--help" "$tune" --frobnicate
head -c 2000 "$record" >"$work/cut.jsonl.gz"
expect "a damaged record" 1 "cut.jsonl.gz" "$attune" tune --root . --record "$work/cut.jsonl.gz" --out "$work/o"
[ "$(cat "$work/o/attn_best.h")" = old ] && ok "the old header is untouched" || fail "a failed run touched the old header"
# shellcheck disable=SC2016
expect "shell characters are only text" 1 'touch' "$tune" --problem 'h=8 $(touch hacked) `touch hacked`;touch hacked'
[ -e hacked ] && fail "a problem's text reached a shell"

# --- an arch with neither a GPU nor a record -----------------------------------------------------------------------
fresh
expect "provisional: nothing is timed, and it says so" 0 'PROVISIONAL' "$attune" tune --root . --arch sm_89 --trials 4 --out "$work/o"
grep -q 'MEASURED 0' "$work/o/attn_best.h" && ok "ATTN_BEST_MEASURED is 0" || fail "a provisional header does not say so"
grep -q 'TIME_US' "$work/o/attn_best.h" && fail "a provisional header has a time"
exit $failed
