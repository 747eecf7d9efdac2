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
# One digit of an entry's machine code in the header, and of its file's: the entry is named, and the status is not 0.
changed() { # FILE PATTERN WHAT: changes a digit that stands alone or after an x, in a line after the pattern
	cp -R "$root/tuned/." "$copy"
	awk -v pattern="$2" '!done && found && match($0, /x?[0-9]/) {
			at = RSTART + RLENGTH - 1
			$0 = substr($0, 1, at - 1) (substr($0, at, 1) + 1) % 10 substr($0, at + 1)
			done = 1
		}
		index($0, pattern) { found = 1 }
		{ print }' "$copy/$1" >"$copy/changed"
	if cmp -s "$copy/changed" "$copy/$1"; then
		echo "FAIL: the test changed nothing in $1"
		return
	fi
	mv "$copy/changed" "$copy/$1"
	"$build/attune" verify --no-gpu --no-build --root "$root" "$copy/attn_best.h" >"$log" 2>&1
	status=$?
	if [ $status -eq 1 ] && grep -q "$3" "$log"; then
		echo "ok: a changed digit in $1: $(grep "$3" "$log" | tail -n 1 | sed "s|$copy/||g" | cut -c 1-120)"
	else
		echo "FAIL: a changed digit in $1 after $2: status $status"
		sed 's/^/    /' "$log" | tail -n 10
	fi
}
if [ -f "$root/tuned/attn_best.h" ]; then
	copy=$(mktemp -d) || exit 1
	trap 'rm -rf "$copy"' EXIT
	sed -n 's|^/\* --- entry \(.*\) ---$|\1|p' "$root/tuned/attn_best.h" | while read -r name; do
		changed attn_best.h "static const unsigned long long attn_best_${name}_image_[] = {" "^DIFFERS: $name\$"
		changed "entries/attn_$name.json" '"cubin": [' "attn_$name.json: its machine code has the hash"
	done
fi
[ -n "$any" ] || echo "skipped: no header under tuned/"
rm -f "$log"
