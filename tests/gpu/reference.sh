#!/bin/sh
# The oracle against a float64 computation on the CPU: dtypes, masks, head dimensions, shapes.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
PATH=$PATH:/usr/local/cuda/bin:/opt/cuda/bin
command -v nvcc >/dev/null || {
	echo "skipped: no nvcc"
	exit 0
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
for config in "64 0 F16" "64 1 BF16" "128 1 F16" "128 0 BF16" "96 1 F16" "192 0 BF16" "256 1 F16"; do
	# shellcheck disable=SC2086
	set -- $config
	# All compile at once: a GPU is waiting.
	(
		nvcc -arch=native -std=c++17 -O2 -I"$root/include" "-DPROBLEM_D=$1" "-DPROBLEM_CAUSAL=$2" "-DPROBLEM_DTYPE_$3=1" \
			-o "$work/check-$1-$2-$3" "$root/tests/gpu/reference_check.cu" && "$work/check-$1-$2-$3"
	) >"$work/log-$1-$2-$3" 2>&1 || echo "FAIL: oracle against the CPU: $config" >>"$work/log-$1-$2-$3" &
done
wait
cat "$work"/log-*
if cat "$work"/log-* | grep -q '^FAIL'; then failed=1; fi
exit $failed
