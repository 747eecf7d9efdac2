#!/bin/sh
# Long problems on the GPU, where the reference answers only rows drawn at random: the defaults of the fast variants are judged
# right and timed, and a trial's cost is said. A wrong row of reference.cu's sampling entries would make everything wrong here.
# A kernel that drops keys is found in the sampled rows.
set -u
attune=${ATTUNE_BUILD:?run by tests/run}/attune
python=${ATTUNE_ARG_PYTHON:-python3}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
# trial MOST_MS PROBLEM: each variant's default, and what the JSON of it says.
trial() {
	most=$1
	timeout 120 "$attune" trial --json --variant mma --variant hopper --problem "$2" >"$work/results" 2>"$work/errors"
	"$python" - "$2" "$most" "$work/results" <<-'END' || { failed=1; sed 's/^/      /' "$work/errors" | tail -n 5; }
		import json, sys
		problem, most, right = sys.argv[1], float(sys.argv[2]), 0
		for line in open(sys.argv[3]):
		    r = json.loads(line)
		    name = "%s: %s" % (problem, r.get("candidate", "?").split(" ")[0])
		    compared = [c["compared_elements"] for c in r.get("checks", []) if c["problem"] == 0 and "compared_elements" in c]
		    if r.get("verdict") == "illegal":
		        print("skipped: %s: %s" % (name, r.get("why")))
		    elif r.get("verdict") != "ok" or not compared:
		        print("FAIL: %s: %s: %s; %d sampled checks" % (name, r.get("verdict"), r.get("why"), len(compared)))
		        right = -99
		    elif r["wall_ms"] > most:
		        print("FAIL: %s: right, but the trial took %.0f ms" % (name, r["wall_ms"]))
		        right = -99
		    else:
		        print("ok: %s: %.1f us, %d elements compared in a check, the trial took %.0f ms"
		              % (name, r["time_us"], compared[0], r["wall_ms"]))
		        right += 1
		sys.exit(0 if right > 0 else 1)
	END
}
trial 10000 "b=2 h=16 sq=4096 d=128 causal=1"
trial 20000 "b=1 h=16 sq=16384 d=128"
exit $failed
