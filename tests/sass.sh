#!/bin/sh
# Compares the instruction mix that cubin_read counts with what nvdisasm prints for the same cubins: the committed ones and
# those that were built before under build/. Skipped where there is no nvdisasm.
set -u
build=${ATTUNE_BUILD:?}
root=${ATTUNE_ROOT:?}
python_bin=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null)/cu13/bin
nvdisasm=
for file in "$(command -v nvdisasm 2>/dev/null)" "${CUDA_HOME:-/usr/local/cuda}/bin/nvdisasm" "$python_bin/nvdisasm"; do
	if [ -x "$file" ]; then
		nvdisasm=$file
		break
	fi
done
if [ -z "$nvdisasm" ]; then
	echo "skipped: no nvdisasm to compare with"
	exit 0
fi
work=$build/sass
mkdir -p "$work"
bad=0
for cubin in "$root"/tests/golden/*.cubin $(find "$root/build" -name '*.cubin' 2>/dev/null | sort | head -n 40); do
	name=$(echo "${cubin#"$root"/}" | tr / _)
	# Only lines with an address hold an instruction's first word; @P0 and braces stand before the mnemonic.
	"$nvdisasm" -c "$cubin" 2>/dev/null |
		sed -n 's/^ *\/\*[0-9a-f]\{4,\}\*\/ *{\{0,1\} *\(@!\{0,1\}U\{0,1\}P[0-9T]* *\)\{0,1\}\([A-Z0-9_]*\).*/\2/p' |
		sed 's/^REDG$/RED/; s/^CGAERRBAR$/ERRBAR/; s/^UCGABAR_.*/UCGABAR/' |
		grep -v '^NOP$' | sort | uniq -c | awk '{ print $2, $1 }' >"$work/all"
	"$build/tests/test_cubin" "$cubin" | awk '{ n[$2] += $3 } END { for (m in n) print m, n[m] }' | sort >"$work/got"
	# What the table does not know must be what cubin_read calls "other"; the committed cubins hold nothing of that kind.
	case $name in
	tests_golden_*) cp "$work/all" "$work/want" ;;
	*)
		awk 'NR == FNR { known[$1] = 1; next } $1 in known { print; next } { other += $2 }
			END { if (other) print "other", other }' "$work/got" "$work/all" | sort >"$work/want"
		;;
	esac
	if [ -s "$work/want" ] && cmp -s "$work/want" "$work/got"; then
		echo "ok: $name"
	else
		echo "FAIL: $name: nvdisasm <, cubin_read >"
		diff "$work/want" "$work/got" | grep '^[<>]' | head -n 12
		bad=1
	fi
done
exit $bad
