#!/bin/sh
# The committed header, verified on the GPU: every entry judged and timed again (tests/verify.sh rebuilds them, which needs no
# GPU), and one of them rebuilt too. Another device, driver or toolkit than an entry was tuned with makes it stale, which is
# said and is no failure here.
set -u
attune=${ATTUNE_BUILD:?run by tests/run}/attune
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
cd "${ATTUNE_ROOT:?run by tests/run}" || exit 1
"$attune" verify --problem seed --no-gpu tuned/attn_best.h >"$log" 2>&1
built=$?
"$attune" verify --no-build tuned/attn_best.h >>"$log" 2>&1
status=$?
[ $built -eq 0 ] || [ $built -eq 3 ] || status=$built
grep 'judged right\|bit-identical\|stale' "$log" | sed 's/^/ok: /'
grep '^skipped: ' "$log"
if [ $status -ne 0 ] && [ $status -ne 3 ]; then
	echo "FAIL: attune verify: status $status"
	sed 's/^/      /' "$log" | tail -n 20
	exit 1
fi
if ! grep -q 'judged right' "$log"; then
	echo "FAIL: no entry was judged on this GPU"
	exit 1
fi
