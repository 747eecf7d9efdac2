#!/bin/sh
# The committed header on the GPU: every program of tests/downstream, 200 random problems against float64, eight threads with
# 10,000 calls each in two contexts, and a short form of the threads under compute-sanitizer, leaks included.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
if [ ! -f "$root/tuned/attn_best.h" ]; then
	echo "FAIL: no tuned/attn_best.h"
	exit 1
fi
sh "$root/tests/downstream/consumers.sh" "$root/tuned" "$work/programs" || failed=1
# full NAME COMMAND...: the last line of what it says is shown.
full() {
	name=$1
	shift
	"$@" >"$work/log" 2>&1
	status=$?
	last=$(tail -n 1 "$work/log")
	case $status in
	0) echo "ok: $name: $last" ;;
	77) echo "skipped: $name: $last" ;;
	*)
		echo "FAIL: $name: status $status"
		sed 's/^/      /' "$work/log" | tail -n 20
		failed=1
		;;
	esac
}
for program in random threads; do
	[ -x "$work/programs/$program" ] || { echo "FAIL: $program was not built"; failed=1; }
done
full "200 random problems" "$work/programs/random" 200 "${ATTUNE_SEED:-1}"
full "8 threads, 10000 calls each" "$work/programs/threads" 10000 8
if command -v compute-sanitizer >/dev/null 2>&1; then
	compute-sanitizer --tool memcheck --leak-check full --error-exitcode 9 "$work/programs/threads" 12 8 >"$work/log" 2>&1
	status=$?
	if grep -q 'Device not supported' "$work/log"; then
		echo "skipped: compute-sanitizer does not support this machine"
	elif [ $status -eq 0 ] && grep -q 'ERROR SUMMARY: 0 errors' "$work/log" && grep -q 'all right' "$work/log"; then
		echo "ok: memcheck and leak check of 8 threads: $(grep 'LEAK SUMMARY\|ERROR SUMMARY' "$work/log" | tr '\n' ' ')"
	else
		echo "FAIL: compute-sanitizer: status $status"
		tail -n 20 "$work/log" | sed 's/^/      /'
		failed=1
	fi
else
	echo "skipped: no compute-sanitizer"
fi
exit $failed
