#!/bin/sh
# The suite's measurement on the GPU: two entries of the committed header against PyTorch's backends, written, resumed, and the
# times near those that the entries record.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
python=${ATTUNE_ARG_PYTHON:-python3}
if ! "$python" -c 'import torch' 2>/dev/null; then
	echo "skipped: no $python with torch"
	exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$root" || exit 1
measure() {
	timeout 300 "$python" kernels/attn/suite/run.py --out tuned --evidence "$work/sdpa" --build "$build/suite" "$@" >"$work/log" 2>&1
	status=$?
	[ $status -eq 0 ] && return
	echo "FAIL: run.py $*: status $status"
	tail -n 20 "$work/log" | sed 's/^/      /'
	exit 1
}
started=$(date +%s%N)
measure --problem seed --problem decode
echo "ok: two problems measured in $((($(date +%s%N) - started) / 1000000)) ms: $(grep -c '^\[' "$work/log") lines"
measure --problem seed --problem decode
if grep -q '^\[' "$work/log"; then
	echo "FAIL: what was measured is measured again"
else
	echo "ok: nothing is measured twice"
fi
"$python" - "$work/sdpa.json" tuned/entries <<-'END'
	import glob, json, sys
	evidence, recorded = json.load(open(sys.argv[1])), {}
	for path in glob.glob(sys.argv[2] + "/attn_*.json"):
	    header = json.load(open(path))["header"]
	    recorded[header["problem"]["text"]] = header["provenance"].get("time_us")
	wrong = len(evidence["results"]) != 2
	for r in evidence["results"]:
	    was, theirs = recorded[r["problem"]], [n for n, t in r["sdpa"].items() if t]
	    bad = [what for what, test in (
	        ("flash and cuDNN took part", {"flash", "cudnn"} <= set(theirs)),
	        ("the time is within 10% of the entry's", abs(r["time_us"] / was - 1) < 0.1),
	        ("both are right", r["error"]["max_abs"] < 2e-3 and r["sdpa_error"][r["best_sdpa"]]["max_abs"] < 2e-3),
	        ("a call from C costs less than one from Python", r["eager_us"] < r["eager_sdpa"][r["best_sdpa"]]),
	        ("its own interval holds the time", r["interval"][0] <= r["time_us"] <= r["interval"][1]),
	        ("warm is not slower than cold", r["warm_us"] < 1.05 * r["time_us"])) if not test]
	    wrong = wrong or bool(bad)
	    print("%s: %s: %.3f us (recorded %.3f), %.2f times as fast as %s, a call from C %.1f us, from Python %.1f us%s" % (
	        "FAIL" if bad else "ok", r["name"], r["time_us"], was, r["ratio"], r["best_sdpa"], r["eager_us"],
	        r["eager_sdpa"][r["best_sdpa"]], "; not so: " + ", ".join(bad) if bad else ""))
	sys.exit(wrong)
END
