#!/bin/sh
# The code of older chips, run on this one: compiled to PTX for compute_80 and compute_89, which the driver translates. Takes
# the paths that sm_80 and sm_89 take, the provisional winner of `make tune ARCH=sm_89` among them.
set -u
attune=${ATTUNE_BUILD:?run by tests/run}/attune
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
right() {
	name=$1
	shift
	if out=$(timeout 300 "$attune" judge "$@" 2>&1) && printf '%s' "$out" | grep -q ' right, 0 rejected.*(live)$'; then
		echo "ok: $name: $(printf '%s\n' "$out" | tail -n 1)"
	else
		echo "FAIL: $name"
		printf '%s\n' "$out" | head -n 8 | sed 's/^/      /'
		failed=1
	fi
}
for arch in compute_80 compute_89; do
	for problem in seed seed-causal d128 ragged; do
		right "$arch $problem" --arch $arch --problem $problem --random 2
	done
done
if timeout 300 "$attune" tune --arch sm_89 --trials 20 --out "$work" >"$work/log" 2>&1; then
	winner=$(sed -n 's/^winner *//p' "$work/log")
	grep -q 'PROVISIONAL' "$work/log" || { echo "FAIL: the sm_89 run on this GPU does not say that it is provisional"; failed=1; }
	right "provisional sm_89 winner" --arch compute_89 --problem seed --candidate "$winner"
else
	echo "FAIL: make tune ARCH=sm_89"
	tail -n 3 "$work/log" | sed 's/^/      /'
	failed=1
fi
exit $failed
