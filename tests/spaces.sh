#!/bin/sh
# shellcheck disable=SC2015,SC2320  # A && ok || fail: ok cannot fail
# The committed recorded spaces: they hold what the records hold, attune bench reads them, and what is predicted from compiling
# alone orders their times. No compiler and no GPU is used.
set -u
build=${ATTUNE_BUILD:?run by tests/run}
root=${ATTUNE_ROOT:?run by tests/run}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
ok() { echo "ok: $1"; }
fail() { echo "FAIL: $1"; failed=1; }
# Rows without the columns of what compiling told, which an older record does not have.
results() { awk -F '\t' -v OFS='\t' 'NR == 2 { for (n = 1; $n != "hi_ms"; n++); } NR > 1 { NF = n; print }' "$1"; }

found=0
for space in "$root"/tuned/spaces/*.tsv.gz; do
	name=$(basename "$space" .tsv.gz)
	record=$root/tuned/records/$name.jsonl.gz
	[ -e "$record" ] || { fail "$name has no record"; continue; }
	found=$((found + 1))
	if ! "$build/attune" record "$record" --root "$root" --space "$work/s.tsv" --t4 "$work/t4.json" >"$work/log" 2>&1; then
		fail "$name is not exported: $(tail -n 1 "$work/log")"
		continue
	fi
	gzip -dc "$space" >"$work/committed.tsv"
	gzip -dc "$root/tuned/spaces/$name.t4.json.gz" >"$work/committed.json"
	results "$work/committed.tsv" >"$work/a"
	results "$work/s.tsv" >"$work/b"
	[ -s "$work/a" ] && cmp -s "$work/a" "$work/b" && ok "$name holds what its record holds" || fail "$name differs from its record"
	cmp -s "$work/committed.json" "$work/t4.json" && ok "$name: T4" || fail "$name: T4 differs from its record"
	# Packed or not is the same space.
	"$build/attune" bench -p "$root/lua/policies/random.lua" -t 20 -r 3 "$space" 2>/dev/null | tail -n 1 >"$work/gz"
	"$build/attune" bench -p "$root/lua/policies/random.lua" -t 20 -r 3 "$work/committed.tsv" 2>/dev/null | tail -n 1 >"$work/plain"
	grep -q '^mean' "$work/gz" && cmp -s "$work/gz" "$work/plain" && ok "$name is searched: $(cat "$work/gz")" ||
		fail "$name is not searched"
	told=$("$build/attune" bench --static "$space" | head -n 1)
	if echo "$told" | awk -F '\t' '{ exit !($2 >= 0.7) }'; then
		ok "predicted: $told"
	else
		fail "predicted: $told"
	fi
done
[ "$found" -gt 0 ] || fail "no recorded space under tuned/spaces"

"$build/attune" record "$root/tuned/records/none.jsonl.gz" --t4 "$work/x" >"$work/log" 2>&1 && fail "a missing record is read" ||
	ok "a missing record: $(tail -n 1 "$work/log" | sed 's/.*records/records/')"
"$build/attune" record "$record" >"$work/log" 2>&1
[ $? -eq 2 ] && ok "record without an output is wrong use" || fail "record without an output"
exit $failed
