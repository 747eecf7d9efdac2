#!/bin/sh
# shellcheck disable=SC2015  # A && ok || fail: ok cannot fail
# A family gets an axis whose default is what its kernel did before: `attune record` completes the names in an older record, and
# it is replayed on. First on the committed record of the seed problem (no compiler), then from a live run on the stand-in
# driver, with an axis of a variant that had some, and the first one of a variant that had none.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
ok() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	[ -z "${2:-}" ] || tail -n 5 "$2" | cut -c1-300 | sed 's/^/      /'
	failed=1
}
# The lines of a record without what packing makes anew and what completing notes.
lines() { gzip -dc "$1" | sed 's/"crc":"[^"]*",//; s/,"completed":\[[^]]*\]//; s/,"run_name":"[^"]*"//'; }
noted() { gzip -dc "$1" | sed -n '1s/.*"completed":\(\[[^]]*\]\).*/\1/p'; }
add_axis() { # file, axis to stand before, name, default
	axis="axis { \"$3\", values = { \"new\", \"$4\" }, default = \"$4\", strategy = \"launch\", about = \"a test\" },"
	sed "s/^ *axis { \"$2\"/$axis\n&/" "$1" >"$1.new" && mv "$1.new" "$1"
}

# --- a record of 1500 candidates ------------------------------------------------------------------------------------
for name in lua include; do ln -s "$root/$name" "$work/$name"; done
cp -R "$root/kernels" "$work/"
cd "$work" || exit 1
mkdir same
record=$root/tuned/records/attn-sm_90a-seed.jsonl.gz
packed=same/$(basename "$record")
"$build/attune" record "$record" "$packed" >out 2>&1
! grep -q completed out && cmp -s "$record" "$packed" && ok "nothing to complete: the same bytes" || fail "a whole record changes" out

add_axis kernels/attn/hopper.lua STAGES NEWEST old
grep -q NEWEST kernels/attn/hopper.lua || fail "no axis was added"
"$build/attune" record "$record" "$packed" --root "$work" >out 2>&1 || fail "completing a record" out
names=$(gzip -dc "$record" | grep -v '"kind":"run"' | grep -o "\(\"\|'\)hopper [A-Z_]*=" | wc -l)
[ "$names" -gt 400 ] && grep -qx "$names names completed: hopper NEWEST=old" out && ok "$(head -n 1 out)" ||
	fail "$names names were to be completed" out
lines "$record" >before
lines "$packed" >after
[ "$(grep -o 'BLOCK_N=[0-9]* NEWEST=old STAGES=' after | wc -l)" -eq "$names" ] && ok "each in the declared order" ||
	fail "a name has not got the axis in its place"
sed 's/ NEWEST=old//g' after | cmp -s before - && ! cmp -s before after && ok "nothing else has changed" ||
	fail "something else has changed"
noted "$record" | sed 's/\]$//' >old
noted "$packed" | grep -qF "$(cat old)" && noted "$packed" | grep -qF '"hopper NEWEST=old"]' &&
	ok "the run line says so, behind what was completed earlier" || fail "the run line says $(noted "$packed")"
cp "$packed" once.gz
"$build/attune" record "$packed" "$packed" --root "$work" >out 2>&1
! grep -q completed out && cmp -s once.gz "$packed" && ok "completed in place again: the same bytes" || fail "completing twice" out
for r in "$record" "$packed"; do
	"$build/attune" record "$r" --root "$work" --space space.tsv --t4 "t4-${#r}.json" >out 2>&1 || fail "a space" out
	tail -n +2 space.tsv >"space-${#r}"
done
cmp -s "space-${#record}" "space-${#packed}" && cmp -s "t4-${#record}.json" "t4-${#packed}.json" && ! grep -q NEWEST "space-${#packed}" &&
	ok "its space holds the axes that were searched" || fail "its space has changed"
mkdir empty
"$build/attune" record "$record" "$packed" --root "$work/empty" >out 2>&1
cmp -s "$record" "$packed" && ok "without the family nothing is completed" || fail "without a family" out

# --- a live run, then the axes ---------------------------------------------------------------------------------------
if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
	echo "skipped: no nvcc"
	exit $failed
fi
PATH=$PATH:/usr/local/cuda/bin
export ATTUNE_ROOT="$work"
cp -R "$root/tests/families/blend" kernels/
mkdir -p build "$build/hostile-blend"
# Compiled once for all runs of this test: the cache is addressed by content.
ln -s "$build/hostile-blend" build/blend
cp kernels/blend/steps.lua steps.lua
sed '/axis { "WIDTH"/d; s/c\.WIDTH/64/' steps.lua >kernels/blend/steps.lua
sed -i 's/WIDTH/64/g' kernels/blend/steps.cu
tune() { "$build/attune" tune --kernel blend --problem seed --trials 8 "$@"; }
winner() { sed -n 's/.*"candidate_text": "\([^"]*\)".*/\1/p' "$1/blend_best.json"; }
tune --out live --runner "env LD_LIBRARY_PATH=$build/tests/fakecuda $build/attune-run" >log 2>&1 || { fail "a live run" log; exit 1; }
"$build/attune" record build/runs/*/1/trials.jsonl run.jsonl.gz >out 2>&1 || { fail "its record" out; exit 1; }
lines run.jsonl.gz >before
cp steps.lua kernels/blend/steps.lua
cp "$root/tests/families/blend/steps.cu" kernels/blend/
add_axis kernels/blend/direct.lua ORDER SPARE none
tune --out refused --record run.jsonl.gz >log 2>&1
status=$?
# shellcheck disable=SC2016  # the message has backticks
[ $status -eq 1 ] && [ ! -e refused ] && grep -qF '`attune record run.jsonl.gz run.jsonl.gz`' log &&
	ok "a record that lacks axes is refused, with the remedy" || fail "a record that lacks axes: status $status" log
"$build/attune" record run.jsonl.gz run.jsonl.gz >out 2>&1 || fail "completing it in place" out
grep -Eq '^[0-9]+ names completed: (direct SPARE=none, steps WIDTH=64|steps WIDTH=64, direct SPARE=none)$' out &&
	ok "in place: $(head -n 1 out)" || fail "completing it in place" out
lines run.jsonl.gz >after
sed 's/ SPARE=none//g; s/\(steps\) WIDTH=64/\1/g' after | cmp -s before - && ! cmp -s before after &&
	ok "nothing else has changed" || fail "something else has changed"
grep -q '"candidate":"steps WIDTH=64"' after && grep -q "candidate 'steps WIDTH=64'\"" after && ok "a variant's first axis" ||
	fail "a variant's first axis is not in its name"
tune --out replayed --record run.jsonl.gz >log 2>&1 || fail "its replay" log
case $(winner live) in steps) want='steps WIDTH=64' ;; *) want=$(winner live | sed 's/ ORDER=/ SPARE=none&/') ;; esac
[ "$(winner replayed)" = "$want" ] && ok "it is replayed to the same winner: $want" ||
	fail "the winner is $(winner replayed), not $want" log
[ -s replayed/blend_best.json ] && ! grep -q 'not recorded' replayed/blend_best.json && ok "and its championship is the recorded one" ||
	fail "its championship is not found"

# A name that today's family cannot read stays.
sed -i 's/values = { 32, 64, 96, 128 }, default = 64/values = { 64, 96, 128 }, default = 64/' kernels/blend/direct.lua
add_axis kernels/blend/direct.lua ORDER LAST none
"$build/attune" record run.jsonl.gz run.jsonl.gz >out 2>&1 || fail "completing the rest" out
lines run.jsonl.gz >after
kept=$(grep -c '"candidate":"direct WIDTH=32 .*SPARE=none ORDER' after)
changed=$(grep -c '"candidate":"direct .*LAST=none ORDER' after)
[ "$kept" -gt 0 ] && [ "$changed" -gt 0 ] && ! grep -q 'WIDTH=32 .*LAST=none' after &&
	ok "names with a value that is gone stay as they are" || fail "a value that is gone: $kept names kept, $changed completed" out
tune --out refused --record run.jsonl.gz >log 2>&1 && fail "a record with a value that is gone is replayed" log ||
	{ grep -q 'record it again' log && ok "and such a record is refused: it is recorded again" || fail "another reason" log; }
exit $failed
