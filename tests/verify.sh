#!/bin/sh
# The committed headers, verified as in a fresh clone: each is what its entries make, and every entry's machine code comes out
# of its recorded source and command bit for bit.
set -u
build=${ATTUNE_BUILD:?run by tests/run}
root=${ATTUNE_ROOT:?run by tests/run}
log=$build/tests/verify.log
if ! command -v "${ATTUNE_ARG_NVCC:-nvcc}" >/dev/null 2>&1; then
	echo "skipped: no nvcc"
	exit 0
fi
any=
for header in "$root"/tuned/*_best.h; do
	[ -e "$header" ] || continue
	any=1
	"$build/attune" verify --no-gpu --root "$root" "$header" >"$log" 2>&1
	status=$?
	sed -n "s|$root/||;s/^.*\(the same as its\|bit-identical\)/ok: &/p" "$log"
	# Another toolkit than the one that an entry was tuned with may make other code; that is no fault of the header.
	case $status in
	0) ;;
	3) grep 'stale' "$log" | sed 's/^/skipped: /' ;;
	*)
		echo "FAIL: ${header#"$root"/}: status $status"
		sed 's/^/    /' "$log" | tail -n 10
		;;
	esac
done
[ -n "$any" ] || echo "skipped: no header under tuned/"
rm -f "$log"
