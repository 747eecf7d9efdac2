#!/bin/sh
# What `make suite` measures with, without a GPU and without torch: tests/suite/test_suite.py, with call.c built against a header
# whose kernels the stand-in libcuda of tests/downstream computes on the host.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
work=$build/tests/suite
python=${ATTUNE_ARG_PYTHON:-python3}
if ! command -v "$python" >/dev/null 2>&1; then
	echo "skipped: no $python"
	exit 0
fi
rm -rf "$work"
mkdir -p "$work"
cuda=
for dir in "${CUDA_HOME:-}" "$(dirname "$(dirname "$(command -v "${ATTUNE_ARG_NVCC:-nvcc}" 2>/dev/null)")" 2>/dev/null)" \
	/usr/local/cuda /usr; do
	[ -n "$cuda" ] || [ -z "$dir" ] || [ ! -f "$dir/include/cuda.h" ] || cuda=$dir
done
set --
if [ -n "$cuda" ] && [ -x "$build/tests/test_gen_header" ]; then
	if (cd "$root" && "$build/tests/test_gen_header" tests/golden/host.json -) >"$work/attn_best.h" &&
		gcc -std=c99 -pedantic -Wall -Wextra -Werror -O2 -isystem "$cuda/include" "-I$work" -c -fPIC -o "$work/call.o" \
			"$root/kernels/attn/suite/call.c" &&
		gcc -std=gnu11 -Wall -Wextra -Werror -O2 -isystem "$cuda/include" -shared -fPIC -o "$work/call.so" "$work/call.o" \
			"$root/tests/downstream/hostcuda.c" -lpthread -lm; then
		echo "ok: call.c is built with a header as C99, without a warning"
		set -- "$work/call.so"
	else
		echo "FAIL: call.c does not compile with a header"
	fi
else
	echo "skipped: call.c: no cuda.h, or no test_gen_header"
fi
status=0
"$python" "$root/tests/suite/test_suite.py" "$root" "$@" || status=1
if [ $# -gt 0 ]; then
	"$python" "$root/tests/suite/test_torch.py" "$root" "$1" "$work" || status=1
fi
exit $status
