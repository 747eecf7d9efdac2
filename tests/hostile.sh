#!/bin/sh
# shellcheck disable=SC2015  # A && ok || fail: ok cannot fail
# What of the hostile corpus (tests/hostile) shows without a GPU: sources, options and machine code that are refused, damaged
# cubins, journals and frames, policies and families that misbehave. The rest is reported as skipped; tests/gpu/hostile.sh
# runs it.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
corpus=$root/tests/hostile
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
ok() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	[ -z "${2:-}" ] || tail -n 4 "$2" | cut -c1-300 | sed 's/^/      /'
	failed=1
}
header() { sed -n '/^\(\/\/\|--\|#\)/!q; s/^[-/#]* '"$1"': //p' "$2"; }

# --- kernels: compiled, and their machine code read ---------------------------------------------------------------
if command -v nvcc >/dev/null; then
	"$corpus/tree" "$work/tree" "$build/hostile"
	set --
	for file in "$corpus"/*.cu; do
		name=$(basename "$file" .cu)
		[ "$name" = reference ] || [ "$name" = honest ] || set -- "$@" --variant "$name"
	done
	(cd "$work" && "$build/attune" judge --compile-only --json --arch sm_90a --root "$work/tree" --kernel hostile \
		--problem seed --compile-limit 8 "$@") >"$work/results" 2>"$work/errors"
	"$corpus/table" "$work/results" 0 || failed=1
	[ ! -s "$work/errors" ] || fail "judge says on standard error" "$work/errors"
	[ -z "$(find "$work" "$build/hostile" -name '*hostile-was-here*')" ] && ok "no option ran or wrote anything" ||
		fail "an option was executed"
else
	echo "skipped: no nvcc"
fi

# --- machine code: recipes that damage a committed cubin ------------------------------------------------------------
[ -d "$work/tree" ] || "$corpus/tree" "$work/tree" "$build/hostile"
for file in "$corpus"/*.cubin.txt; do
	name=$(basename "$file" .cubin.txt)
	cp "$corpus/$(header base "$file")" "$work/x.cubin"
	cut=$(header cut "$file")
	[ -z "$cut" ] || truncate -s "$cut" "$work/x.cubin"
	header patch "$file" | while read -r at bytes; do
		# shellcheck disable=SC2059  # the recipe is a format
		printf "$bytes" | dd of="$work/x.cubin" bs=1 seek="$at" conv=notrunc status=none
	done
	"$build/attune" measure "$work/x.cubin" --compile-only --arch sm_90a --root "$work/tree" --kernel hostile --candidate honest \
		>"$work/out" 2>&1
	status=$?
	if [ $status -eq 1 ] && grep -q "^$(header verdict "$file") " "$work/out"; then ok "$name.cubin"; else
		fail "$name.cubin: status $status" "$work/out"
	fi
done

# The lines of a file behind its comment, or the bytes that the comment spells.
content() {
	if grep -q '^[-#]* bytes: ' "$1"; then
		# shellcheck disable=SC2059
		printf "$(sed -n 's/^[-#]* bytes: //p' "$1")"
	else
		sed '1,/^[^#]/{/^#/d;}' "$1"
	fi
}
# One clear line, and no more than that, on standard error; a status that is a failure and not a death.
refused() {
	name=$1 status=$2 says=$3
	if [ "$status" -ne 1 ]; then
		fail "$name: status $status" "$work/errors"
	elif [ "$(wc -l <"$work/errors")" -ne 1 ] || ! grep -q -- "$says" "$work/errors"; then
		fail "$name: not one line with '$says'" "$work/errors"
	else
		ok "$name"
	fi
}
for file in "$corpus"/*.frame; do
	{
		# shellcheck disable=SC2046
		printf '%b' "$(content "$file")"
		header repeat "$file" | while read -r n what; do awk -v n="$n" -v w="$what" 'BEGIN { while (n--) printf "%s", w }'; done
	} | timeout 20 "$build/attune-run" >"$work/out" 2>"$work/errors"
	refused "$(basename "$file")" $? attune-run
done
for file in "$corpus"/*.journal; do
	content "$file" >"$work/trials.jsonl"
	timeout 20 "$build/attune" record "$work/trials.jsonl" "$work/x.jsonl.gz" >"$work/out" 2>"$work/errors"
	refused "$(basename "$file")" $? "trials.jsonl$(header says "$file")"
done

# --- families and policies ------------------------------------------------------------------------------------------
mkdir -p "$work/lua/kernels" "$work/lua/build" "$build/hostile-blend"
for name in lua include; do ln -s "$root/$name" "$work/lua/$name"; done
ln -s "$root/tests/families/blend" "$work/lua/kernels/blend"
ln -s "$build/hostile-blend" "$work/lua/build/blend"
for file in "$corpus"/*.family.lua; do
	name=$(basename "$file" .family.lua)
	mkdir -p "$work/lua/kernels/$name"
	content "$file" >"$work/lua/kernels/$name/$name.lua"
	echo 'return variant { source = "v.cu", min_cc = 80, axes = {}, launch = function(c, p) return {} end }' \
		>"$work/lua/kernels/$name/v.lua"
	(cd "$work" && timeout 60 "$build/attune" judge --compile-only --arch sm_90a --root "$work/lua" --kernel "$name" --problem seed) \
		>"$work/out" 2>"$work/errors"
	refused "$name.family.lua" $? "$(header says "$file")"
done
if command -v nvcc >/dev/null; then
	for file in "$corpus"/*.policy.lua; do
		name=$(basename "$file")
		rm -rf "$work/lua/build/runs"
		cp "$file" "$work/$name"
		(cd "$work" && timeout 100 "$build/attune" tune --arch sm_90a --root "$work/lua" --kernel blend --problem seed --trials 6 \
			--policy "$work/$name" --out "$work/o") >"$work/out" 2>&1
		status=$?
		trials=$(cat "$work"/lua/build/runs/*/1/trials.jsonl | grep -c '"kind":"trial"')
		if [ $status -ne 0 ] || [ "$trials" -ne 6 ]; then
			fail "$name: status $status, $trials of 6 trials" "$work/out"
		elif ! grep -q -- "$(header says "$file")" "$work/out"; then
			fail "$name: it is not named" "$work/out"
		else
			ok "$name: 6 of 6 trials"
		fi
	done
fi
[ -z "$(find "$work" "$root" -maxdepth 1 -name 'hostile-was-here*')" ] || fail "something was executed"
exit $failed
