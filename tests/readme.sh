#!/bin/sh
# The README's program builds against the committed header as it stands there, the files that the README names exist, and its table is
# that of the evidence.
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
	echo "skipped: no $python: the README's table was not compared"
elif "$python" "$root/kernels/attn/suite/run.py" --out "$root/tuned" --short >"$build/short" && [ "$(wc -l <"$build/short")" -gt 20 ] &&
	awk '/^\| entry \| variant/ { on = 1 } on && !/^\|/ { exit } on' "$root/README.md" | cmp -s - "$build/short"; then
	echo "ok: the README's table is that of the evidence, $(($(wc -l <"$build/short") - 2)) lines"
else
	echo "FAIL: the README's table is not what kernels/attn/suite/run.py --short prints"
	bad=1
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
