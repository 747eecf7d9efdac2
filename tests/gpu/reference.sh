#!/bin/sh
# The oracle against a float64 computation on the CPU: dtypes, masks, head dimensions, shapes.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
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
	if nvcc -arch=native -std=c++17 -O2 -I"$root/include" "-DPROBLEM_D=$1" "-DPROBLEM_CAUSAL=$2" "-DPROBLEM_DTYPE_$3=1" \
		-o "$work/check" "$root/tests/gpu/reference_check.cu" >"$work/log" 2>&1 && "$work/check"; then
		:
	else
		echo "FAIL: $config"
		sed 's/^/      /' "$work/log" | head -n 5
		failed=1
	fi
done
exit $failed
