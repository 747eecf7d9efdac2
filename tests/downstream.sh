#!/bin/sh
# Builds programs against the generated headers with nothing of this repository on the include path but the header, as C99
# to C++20, by gcc, clang and nvcc, and runs them. The header under tuned/ is used where there is one; those of tests/golden
# always are. Without a GPU the program that computes attention must say so and is counted as skipped.
set -u
build=${ATTUNE_BUILD:?}/downstream
root=${ATTUNE_ROOT:?}
src=$root/tests/downstream
rm -rf "$build"
mkdir -p "$build/golden" "$build/tuned" "$build/stub"
cp "$root"/tests/golden/*_best.h "$build/golden/"

cuda=
for dir in "${CUDA_HOME:-}" "$(dirname "$(dirname "$(command -v "${ATTUNE_ARG_NVCC:-nvcc}" 2>/dev/null)")" 2>/dev/null)" \
	/usr/local/cuda /usr; do
	if [ -n "$dir" ] && [ -f "$dir/include/cuda.h" ]; then
		cuda=$dir
		break
	fi
done
if [ -z "$cuda" ]; then
	echo "skipped: no cuda.h: nothing was built against the headers"
	exit 0
fi
stub=
for dir in "$cuda/lib64/stubs" "$cuda/lib/stubs" "$cuda/targets/x86_64-linux/lib/stubs" "$cuda/targets/sbsa-linux/lib/stubs"; do
	if [ -f "$dir/libcuda.so" ]; then
		stub=$dir
		break
	fi
done

bad=0
# try NAME COMMAND...: one check; what the command says is shown when it fails.
try() {
	name=$1
	shift
	if "$@" >"$build/log" 2>&1; then
		echo "ok: $name"
	else
		echo "FAIL: $name"
		sed 's/^/    /' "$build/log" | head -n 20
		bad=1
		return 1
	fi
}
strict="-pedantic -Wall -Wextra -Werror -isystem $cuda/include"

# compile_all FOLDER SOURCE...: every language and compiler, objects only.
compile_all() {
	folder=$1
	shift
	include="-I$build/$folder"
	for file in "$@"; do
		out=$build/$folder/${file%.c}.o
		for compiler in gcc clang; do
			command -v $compiler >/dev/null 2>&1 || { echo "skipped: $folder/$file by $compiler: not installed"; continue; }
			for std in c99 c11; do
				# shellcheck disable=SC2086
				try "$folder/$file $compiler -std=$std" $compiler -std=$std $strict -O2 $include -c -o "$out" "$src/$file"
			done
		done
		for compiler in g++ clang++; do
			command -v $compiler >/dev/null 2>&1 || { echo "skipped: $folder/$file by $compiler: not installed"; continue; }
			for std in c++11 c++20; do
				# shellcheck disable=SC2086
				try "$folder/$file $compiler -std=$std" $compiler -x c++ -std=$std $strict -O2 $include -c -o "$out" \
					"$src/$file"
			done
		done
		nvcc=${ATTUNE_ARG_NVCC:-nvcc}
		if command -v "$nvcc" >/dev/null 2>&1; then
			# shellcheck disable=SC2086
			try "$folder/$file nvcc" "$nvcc" -x cu -std=c++17 -Werror all-warnings -Xcompiler -Wall,-Wextra,-Werror $include \
				-c -o "$out" "$src/$file"
		else
			echo "skipped: $folder/$file by nvcc: not installed"
		fi
	done
}

# What the header asks of the driver, with the driver's functions replaced.
compile_all golden calls.c other_file.c attention.c
# shellcheck disable=SC2086
try "golden/calls is built" gcc -std=c99 $strict -O2 -I"$build/golden" -o "$build/golden/calls" "$src/calls.c" &&
	try "golden/calls asks the driver for the right things" "$build/golden/calls"

# Which of several entries serves a call, with all of them, without some, and with one alone.
compile_all golden plan.c
for left in "-DEXPECT_ENTRIES=9" "-DSEVERAL_BEST_ONLY_LONG_SM_90A -DEXPECT_ENTRIES=1" \
	"-DSEVERAL_BEST_NO_SEED_SM_90A -DSEVERAL_BEST_NO_SEED_SM_80 -DSEVERAL_BEST_NO_LONG_SM_86 -DSEVERAL_BEST_NO_DECODE_SM_90A \
	-DSEVERAL_BEST_NO_GQA_SM_90A -DEXPECT_ENTRIES=4"; do
	# shellcheck disable=SC2086
	try "golden/plan with ${left##*=} entries is built" gcc -std=c99 $strict $left -O2 -I"$build/golden" -o "$build/golden/plan" \
		"$src/plan.c" && try "golden/plan with ${left##*=} entries picks by the rule" "$build/golden/plan"
done
try "a misspelt choice leaves nothing out" gcc -std=c99 -isystem "$cuda/include" -I"$build/golden" -DSEVERAL_BEST_ONLY_NOTHING \
	-DEXPECT_ENTRIES=9 -c -o "$build/golden/plan.o" "$src/plan.c"

# The attention program from two files, by gcc and g++, and its run.
run_attention() {
	folder=$1
	if [ -z "$stub" ] && ! ldconfig -p 2>/dev/null | grep -q 'libcuda\.so '; then
		echo "skipped: $folder/attention: no libcuda to link with"
		return
	fi
	# shellcheck disable=SC2086
	try "$folder/attention is built from two files" gcc -std=c99 $strict -O2 -I"$build/$folder" -o "$build/$folder/attention" \
		"$src/attention.c" "$src/other_file.c" ${stub:+-L"$stub"} -lcuda -lm || return
	"$build/$folder/attention" >"$build/log" 2>&1
	status=$?
	if [ $status -eq 127 ] && [ -n "$stub" ]; then
		# No driver at all: the toolkit's stand-in answers every call with an error.
		ln -sf "$stub/libcuda.so" "$build/stub/libcuda.so.1"
		LD_LIBRARY_PATH="$build/stub" "$build/$folder/attention" >"$build/log" 2>&1
		status=$?
	fi
	case $status in
	0) echo "ok: $folder/attention is right" ;;
	77)
		if grep -q 'skipped' "$build/log"; then
			echo "skipped: $folder/attention: $(head -n 1 "$build/log")"
		else
			echo "FAIL: $folder/attention skipped without saying so"
			bad=1
		fi
		;;
	*)
		echo "FAIL: $folder/attention ended with status $status"
		sed 's/^/    /' "$build/log"
		bad=1
		;;
	esac
	sed 's/^/    /' "$build/log"
}

header=$root/tuned/attn_best.h
if [ -f "$header" ]; then
	cp "$header" "$build/tuned/"
	compile_all tuned attention.c other_file.c
	run_attention tuned
	code=$(sed -n 's/.*: \([0-9]*\) bytes of machine code.*/\1/p' "$header" | awk '{ n += $1 } END { print n + 0 }')
	size=$(wc -c <"$header")
	if [ "$code" -gt 0 ] && [ "$size" -le $((6 * code)) ]; then
		echo "ok: tuned/attn_best.h is $size bytes for $code of machine code"
	else
		echo "FAIL: tuned/attn_best.h is $size bytes for $code of machine code"
		bad=1
	fi
else
	echo "skipped: no tuned/attn_best.h"
fi
exit $bad
