#!/bin/sh
# The committed header in a C99 program on the GPU: the tuned shape and three others against float64.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cp "$root/tuned/attn_best.h" "$work/" || exit 1
cuda=${CUDA_HOME:-$(dirname "$(dirname "$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)")")}
if ! gcc -std=c99 -pedantic -Wall -Wextra -Werror -O2 -isystem "$cuda/include" -I"$work" -o "$work/attention" \
	"$root/tests/downstream/attention.c" "$root/tests/downstream/other_file.c" -L"$cuda/lib64/stubs" -lcuda -lm; then
	echo "FAIL: the program does not build"
	exit 1
fi
if "$work/attention" >"$work/log" 2>&1; then
	sed 's/^/ok: /' "$work/log"
else
	echo "FAIL: status $?"
	sed 's/^/      /' "$work/log"
	exit 1
fi
