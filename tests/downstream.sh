#!/bin/sh
# Builds programs against the generated headers with nothing of this repository on the include path but the header, as C99
# to C++20, by gcc, clang and nvcc, and runs them. The header under tuned/ is used where there is one; those of tests/golden,
# and one that is made here, always are. Without a GPU the programs that compute attention must say so.
# shellcheck disable=SC2317  # functions are called by try
set -u
build=${ATTUNE_BUILD:?}/downstream
root=${ATTUNE_ROOT:?}
src=$root/tests/downstream
rm -rf "$build"
mkdir -p "$build/golden"
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
compile_all golden calls.c other_file.c attention.c random.c compiled.c
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

# A file that includes nine entries of 64 KiB each.
head -c 65536 "$ATTUNE_BUILD/attune" >"$build/image"
mkdir -p "$build/large"
if ATTUNE_ROOT="$root" "$ATTUNE_BUILD/tests/test_gen_header" tests/golden/several.json "$build/image" >"$build/large/several_best.h"; then
	seconds=$({ gcc -std=c99 -O2 -isystem "$cuda/include" -I"$build/large" -c -o "$build/large/plan.o" "$src/plan.c" && times; } |
		sed -n '2s/^\([0-9]*\)m\([0-9.]*\)s \([0-9]*\)m\([0-9.]*\)s$/\1 \2 \3 \4/p' | awk '{ print 60 * ($1 + $3) + $2 + $4 }')
	if echo "$seconds" | awk '{ exit !($1 > 0 && $1 < 3) }'; then
		echo "ok: nine entries of 64 KiB are compiled in $seconds s of processor time"
	else
		echo "FAIL: nine entries of 64 KiB take '$seconds' s of processor time"
		bad=1
	fi
else
	echo "FAIL: a header of nine entries of 64 KiB"
	bad=1
fi

# The same programs computing on the host (hostcuda.c in libcuda's place): right results by the entry that each call needs, and
# threads under the sanitizers, leaks included. It says nothing of any machine code.
mkdir -p "$build/host"
host() { # NAME FLAGS SOURCE...: built against the header of tests/golden/host.json
	program=$1 flags=$2
	shift 2
	# shellcheck disable=SC2086
	gcc -std=gnu11 -Wall -Wextra -Werror -O2 $flags -isystem "$cuda/include" -I"$build/host" -o "$build/host/$program" "$@" \
		"$src/hostcuda.c" -lpthread -lm >"$build/log" 2>&1
}
right() { "$@" >"$build/log2" 2>&1 && cat "$build/log2" && ! grep -q 'WRONG\|skipped' "$build/log2"; }
if "$ATTUNE_BUILD/tests/test_gen_header" tests/golden/host.json - >"$build/host/attn_best.h"; then
	try "host/random is built" host random '' "$src/random.c" && try "host/random: each call by the entry that serves it" \
		right "$build/host/random" 6
	for sanitizer in thread address,undefined; do
		if echo 'int main(void){return 0;}' | gcc -x c "-fsanitize=$sanitizer" -o "$build/host/empty" - >/dev/null 2>&1; then
			try "host/threads is built with -fsanitize=$sanitizer" host threads "-g -fsanitize=$sanitizer" "$src/threads.c" &&
				try "host/threads: 8 threads, 2 contexts, -fsanitize=$sanitizer" right "$build/host/threads" 4 8
		else
			echo "skipped: host/threads with -fsanitize=$sanitizer: this compiler has none"
		fi
	done
else
	echo "FAIL: a header for the host"
	bad=1
fi

# The programs of tests/downstream with real machine code: a header made here of four untimed entries, and the committed one.
tune() { CUDA_VISIBLE_DEVICES='' "$ATTUNE_BUILD/attune" tune --root "$root" --arch sm_90a --trials 3 --out "$build/entries/made" "$@"; }
if command -v "${ATTUNE_ARG_NVCC:-nvcc}" >/dev/null 2>&1; then
	try "a header of four entries is made" tune --problem seed && try "its second entry" tune --problem seed-causal &&
		try "its third entry" tune --problem d128 && try "its fourth entry" tune --problem seed-bf16 &&
		{ sh "$src/consumers.sh" "$build/entries/made" "$build/made" || bad=1; }
else
	echo "skipped: no nvcc: no header was made here"
fi
if [ -f "$root/tuned/attn_best.h" ]; then
	sh "$src/consumers.sh" "$root/tuned" "$build/tuned" || bad=1
	cp "$root/tuned/attn_best.h" "$build/golden/"
	compile_all golden other_file.c
else
	echo "skipped: no tuned/attn_best.h"
fi
exit $bad
