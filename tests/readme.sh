#!/bin/sh
# The README's program builds against the committed header as it stands there, the files that the README names exist, and its table and
# its means are those of the evidence.
set -u
build=${ATTUNE_BUILD:?run by tests/run}/readme
root=${ATTUNE_ROOT:?run by tests/run}
bad=0
mkdir -p "$build"
# shellcheck disable=SC2013,SC2016  # words of a list of file names; backquotes are what is looked for
for file in $(sed -n 's/.*`\([a-z]*\/[A-Za-z0-9_./-]*\)`.*/\1/p' "$root/README.md" | grep -v -e '^build/' -e NAME | sort -u); do
	if [ -e "$root/$file" ]; then
		echo "ok: $file"
	else
		echo "FAIL: README.md names $file, which is not there"
		bad=1
	fi
done
python=${ATTUNE_ARG_PYTHON:-python3}
if ! command -v "$python" >/dev/null 2>&1; then
	echo "skipped: no $python: the README's table and its means were not compared"
elif "$python" "$root/kernels/attn/suite/run.py" --out "$root/tuned" --short >"$build/short" && [ "$(wc -l <"$build/short")" -gt 20 ] &&
	awk '/^\| entry \| variant/ { on = 1 } on && !/^\|/ { exit } on' "$root/README.md" | cmp -s - "$build/short"; then
	echo "ok: the README's table is that of the evidence, $(($(wc -l <"$build/short") - 2)) lines"
else
	echo "FAIL: the README's table is not what kernels/attn/suite/run.py --short prints"
	bad=1
fi
# What the text says in words, of the entries and of problems that are not among them.
if command -v "$python" >/dev/null 2>&1; then
	if "$python" - "$root" <<'EOF'
import json, math, sys
root = sys.argv[1]
read = lambda path: json.load(open(root + "/tuned/evidence/" + path))
mean = lambda rows: math.exp(sum(math.log(r["ratio"]) for r in rows) / len(rows))
rows = read("sdpa_sm_90a.json")["results"]
masked = lambda r: "explicit mask" in r["sdpa_note"].get(r["best_sdpa"], "")
plain = [r for r in rows if not masked(r)]
of = lambda rows, name: mean([r for r in rows if name in r["classes"]])
last = {r["problem"]: r for r in read("unseen_sm_90a.json")["results"]}
unseen = [r for p, r in last.items() if p not in {r["problem"] for r in rows}]
said = " ".join(open(root + "/README.md").read().split())
missing = [text for text in (
    "all %d entries in one run" % len(rows),
    "The geometric mean is %.2f (%.2f without" % (mean(rows), mean(plain)),
    "of at most 1024 queries %.2f (%.2f)" % (of(rows, "sq <= 1024"), of(plain, "sq <= 1024")),
    "over decoding %.2f" % of(rows, "decode"),
    "For %d problems that are not in this list" % len(unseen),
    "found %.2f times the best backend" % mean(unseen),
) if text not in said]
if len(plain) != len(rows) - 1 or min(r["ratio"] for r in rows) < 1:
    missing.append("one problem whose best backend is given a mask, and none below 1")
print("".join("FAIL: README.md does not say what the evidence does: %s\n" % text for text in missing), end="")
sys.exit(bool(missing))
EOF
	then
		echo "ok: the README's means are those of the evidence"
	else
		bad=1
	fi
fi
cuda=${CUDA_HOME:-$(dirname "$(dirname "$(command -v "${ATTUNE_ARG_NVCC:-nvcc}" || echo /usr/local/cuda/bin/nvcc)")")}
if [ ! -f "$cuda/include/cuda.h" ]; then
	echo "skipped: no cuda.h: the README's program was not built"
	exit $bad
fi
awk '/^```c$/ { on = 1; next } /^```$/ && on { exit } on' "$root/README.md" >"$build/example.c"
if [ -s "$build/example.c" ] && gcc -std=c99 -pedantic -Wall -Wextra -Werror -I"$root/tuned" -isystem "$cuda/include" \
	-c -o "$build/example.o" "$build/example.c"; then
	echo "ok: the README's program builds"
else
	echo "FAIL: the README's program does not build"
	bad=1
fi
exit $bad
