#!/bin/sh
# compute-sanitizer on what it must find (three entries of the hostile corpus) and on what it must not (an honest one, and
# the default of every variant of attn on small odd problems). The four tools at once; racecheck's findings are advice.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
PATH=$PATH:/usr/local/cuda/bin:/opt/cuda/bin
tool=$(command -v compute-sanitizer) || {
	echo "skipped: compute-sanitizer is not installed"
	exit 0
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
port=50000
# under TOOL NAME ARGUMENT...: `attune judge` with these, in the background; its words in NAME.out, the report in NAME.log
under() {
	which=$1 name=$2
	shift 2
	port=$((port + 20))
	timeout -k 3 60 "$build/attune" judge "$@" --runner "$tool --tool $which --target-processes all --report-api-errors no \
--padding 65536 --print-limit 5 --port $port --log-file $work/$name.log $build/attune-run --limit 60 --under-tool" \
		>"$work/$name.out" 2>&1 &
}
summary() { grep -hs ' SUMMARY: ' "$work/$1.log" | tail -n 1 | sed 's/^=* *//'; }
first() { grep -hsv -e SUMMARY -e COMPUTE-SANITIZER -e '^=* *$' "$work/$1.log" | sed 's/^=* *//' | head -n 2 | tr '\n' ' ' | cut -c1-200; }
finds() { # NAME what
	case $(summary "$1") in
	*"SUMMARY: "[1-9]*) echo "ok: $2: $(first "$1")" ;;
	*)
		echo "FAIL: $2: not found: $(summary "$1") $(first "$1") $(tail -n 1 "$work/$1.out" | cut -c1-200)"
		failed=1
		;;
	esac
}
clean() { # NAME what
	case $(summary "$1") in
	*"SUMMARY: 0 "*)
		if grep -q '^[1-9][0-9]* right, 0 rejected' "$work/$1.out"; then
			echo "ok: $2: clean, $(tail -n 1 "$work/$1.out" | cut -c1-60)"
			return
		fi
		;;
	esac
	case $1 in
	*racecheck)
		echo "skipped: $2, which is advice: $(summary "$1") $(first "$1")"
		return
		;;
	esac
	echo "FAIL: $2: $(summary "$1") $(first "$1") $(grep -v '^ok ' "$work/$1.out" | head -n 2 | tr '\n' ' ' | cut -c1-300)"
	failed=1
}
"$root/tests/hostile/tree" "$work/tree" "$build/hostile"
# Compiled beforehand, by one.
"$build/attune" judge --root "$work/tree" --kernel hostile --problem "rows=5 cols=1000" --compile-only --variant honest \
	--variant reads-behind-the-row --variant workspace-overrun --variant workspace-unread >"$work/compiled" 2>&1
"$build/attune" judge --problem "b=1 h=2 sq=40 sk=56 d=64 dtype=f16" --compile-only >"$work/compiled" 2>&1
hostile="--root $work/tree --kernel hostile --problem"
small="rows=5 cols=1000"
# shellcheck disable=SC2086
{
	under memcheck read $hostile "$small" --variant reads-behind-the-row
	under memcheck write $hostile "$small" --variant workspace-overrun
	under initcheck unread $hostile "$small" --variant workspace-unread
	for which in memcheck initcheck synccheck racecheck; do under $which honest-$which $hostile "$small" --variant honest; done
}
wait
finds read "memcheck: an element behind the input is read"
finds write "memcheck: an element behind the workspace is written"
finds unread "initcheck: a workspace is read that was never written"
for which in memcheck initcheck synccheck racecheck; do clean honest-$which "$which: an honest kernel"; done
for which in memcheck initcheck synccheck racecheck; do
	under $which attn-$which --problem "b=1 h=2 sq=40 sk=56 d=64 dtype=f16"
done
# One that `decode` is for: a cluster, tensor maps.
decode=
[ ! -e "$root/kernels/attn/decode.lua" ] || decode="memcheck initcheck synccheck"
for which in $decode; do
	under "$which" "decode-$which" --problem "b=1 h=4 hkv=2 sq=3 sk=200 d=64 dtype=f16" --variant decode
done
wait
for which in memcheck initcheck synccheck racecheck; do clean attn-$which "$which: the variants' defaults"; done
for which in $decode; do clean "decode-$which" "$which: decode"; done
exit $failed
