#!/bin/sh
# Compares the instruction mix that cubin_read counts with what nvdisasm prints for the same cubins: the committed ones and
# those that were built before under build/; and of some of them where branches lead. Skipped where there is no nvdisasm.
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
# "KERNEL ADDRESS TARGET" of the branches that nvdisasm prints: a label is the address of the next instruction.
branches_of() {
	"$nvdisasm" -c "$1" 2>/dev/null | awk '
		/^\t\.section\t\.text\./ { split($2, part, "[.,]"); kernel = part[3] }
		/^\.L_[a-z0-9_]*:/ { label = $1; sub(/:.*/, "", label); open[label] = 1 }
		/^ *\/\*[0-9a-f]*\*\// {
			at = $1
			gsub(/[^0-9a-f]/, "", at)
			sub(/^0+/, "", at)
			if (at == "") at = "0"
			for (l in open) place[l] = at
			split("", open)
			if ($0 ~ / BRA/ && match($0, /\.L_[a-z0-9_]*/)) {
				n++
				from[n] = kernel " " at
				to[n] = substr($0, RSTART, RLENGTH)
			}
		}
		END { for (i = 1; i <= n; i++) print from[i], place[to[i]] }' | sort
}
compared=0
for cubin in "$root"/tests/golden/*.cubin $(find "$root/build" -name '*.cubin' 2>/dev/null | sort | head -n 6); do
	name=$(echo "${cubin#"$root"/}" | tr / _)
	branches_of "$cubin" >"$work/want"
	"$build/tests/test_cubin" --branches "$cubin" | sort >"$work/got"
	compared=$((compared + $(wc -l <"$work/want")))
	if [ -s "$work/want" ] && cmp -s "$work/want" "$work/got"; then
		echo "ok: branches of $name"
	else
		echo "FAIL: branches of $name: nvdisasm <, cubin_branch >"
		diff "$work/want" "$work/got" | grep '^[<>]' | head -n 12
		bad=1
	fi
done
[ "$compared" -gt 0 ] || bad=1
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
