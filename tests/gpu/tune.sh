#!/bin/sh
# A whole run on the GPU: 45 trials with a cold and with a warm cubin cache, and a run that is killed and goes on.
set -u
build=${ATTUNE_BUILD:?run by tests/run}
attune=$build/attune
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/build"
cp -R lua kernels include "$work/tree/"
cd "$work/tree" || exit 1
failed=0

# timed NAME LIMIT_S: a whole run, its wall time, and the winner's line.
timed() {
	start=$(date +%s%N)
	if ! timeout 300 "$attune" tune --root . --out "$work/out" >"$work/log" 2>&1; then
		echo "FAIL: $1"
		tail -n 3 "$work/log" | sed 's/^/      /'
		failed=1
		return
	fi
	ms=$((($(date +%s%N) - start) / 1000000))
	if [ "$ms" -lt $(($2 * 1000)) ]; then
		echo "ok: $1: $ms ms, $(grep -A1 '^winner' "$work/log" | tail -n 1 | sed 's/^ *//')"
		grep -E '^(sanitizer|profile) ' "$work/log" | cut -c1-200
	else
		echo "FAIL: $1 took $ms ms"
		failed=1
	fi
}
timed "45 trials, cold cache" 60
rm -rf build/runs
# What compute-sanitizer and ncu found of the same machine code is kept, too.
timed "45 trials, warm cache" 40

rm -rf build/runs
"$attune" tune --root . --out "$work/out" >"$work/log" 2>&1 &
pid=$!
sleep 12
kill -9 $pid
wait $pid 2>/dev/null
before=$(cat build/runs/*/*/trials.jsonl | grep -c '"kind":"trial"')
timed "the same command after kill -9 with $before trials done" 60
twice=$(grep -h '"kind":"trial"' build/runs/*/*/trials.jsonl | sed 's/.*"candidate":"\([^"]*\)".*/\1/' | sort | uniq -d | wc -l)
if [ "$twice" -eq 0 ] && [ "$before" -gt 0 ]; then
	echo "ok: no finished trial was run again"
else
	echo "FAIL: $twice trials were run again ($before done before the kill)"
	failed=1
fi
exit $failed
