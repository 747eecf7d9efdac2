#!/bin/sh
# Builds and runs every program of this folder with nothing but a tuned header (and, for the one that compiles it, the source
# beside it): C99 with the driver, C++ with the runtime, a CMake project, pkg-config, a build that compiles attn_best.cu itself,
# a PyTorch operator. Prints "ok: ", "FAIL: " and "skipped: " lines. Without a GPU each must build, and end by saying so.
# usage: consumers.sh FOLDER WORK     FOLDER holds attn_best.h and attn_best.cu; WORK is made anew and keeps the programs
set -u
folder=$1 work=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
nvcc=${ATTUNE_ARG_NVCC:-nvcc}
command -v "$nvcc" >/dev/null 2>&1 || [ ! -x /usr/local/cuda/bin/nvcc ] || nvcc=/usr/local/cuda/bin/nvcc
name=$(basename "$folder")
rm -rf "$work"
mkdir -p "$work/include" "$work/stub"
cp "$folder/attn_best.h" "$folder/attn_best.cu" "$work/include/" || exit 1

cuda=
for dir in "${CUDA_HOME:-}" "$(dirname "$(dirname "$(command -v "$nvcc" 2>/dev/null)")" 2>/dev/null)" /usr/local/cuda /usr; do
	if [ -n "$dir" ] && [ -f "$dir/include/cuda.h" ]; then
		cuda=$dir
		break
	fi
done
if [ -z "$cuda" ]; then
	echo "skipped: $name: no cuda.h: nothing was built against the header"
	exit 0
fi
# The toolkit's stand-in for libcuda: to link with, and to run with where there is no driver. It answers with an error.
stub=
for dir in "$cuda"/lib64/stubs "$cuda"/lib/stubs "$cuda"/targets/*/lib/stubs; do
	[ ! -f "$dir/libcuda.so" ] || stub=$dir
done
gpu=
for node in /dev/nvidia[0-9]* /dev/nvhost-gpu /dev/dxg; do
	[ ! -e "$node" ] || gpu=1
done
libs="${stub:+-L$stub} -lcuda"
if [ -n "$stub" ] && [ -z "$gpu" ] && ! ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1 '; then
	ln -sf "$stub/libcuda.so" "$work/stub/libcuda.so.1"
	LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$work/stub
	export LD_LIBRARY_PATH
fi

bad=0
# try NAME COMMAND...: one check; what the command says is shown when it fails.
try() {
	what=$1
	shift
	if "$@" >"$work/log" 2>&1; then
		echo "ok: $name/$what"
		return 0
	fi
	echo "FAIL: $name/$what"
	sed 's/^/    /' "$work/log" | head -n 20
	bad=1
	return 1
}
# run NAME COMMAND...: 0 is right; 77 must say why, and without a GPU that must be that there is no device.
run() {
	what=$1
	shift
	"$@" >"$work/log" 2>&1
	status=$?
	if [ $status -eq 0 ]; then
		echo "ok: $name/$what is right: $(tail -n 1 "$work/log")"
	elif [ $status -eq 77 ] && [ -n "$gpu" ] && grep -q 'skipped' "$work/log"; then
		echo "skipped: $name/$what: $(grep 'skipped' "$work/log" | head -n 1)"
	elif [ $status -eq 77 ] && grep -q '^no CUDA device: skipped\|^no torch: skipped' "$work/log"; then
		echo "ok: $name/$what ends by saying that it cannot run here"
		echo "skipped: $name/$what: $(head -n 1 "$work/log")"
	else
		echo "FAIL: $name/$what ended with status $status"
		sed 's/^/    /' "$work/log" | head -n 20
		bad=1
	fi
}
include="-I$work/include -isystem $cuda/include"
strict="-pedantic -Wall -Wextra -Werror -O2"

# C99 and the driver API, from two files.
# shellcheck disable=SC2086
try "attention, C99 by the driver API, is built from two files" gcc -std=c99 $strict $include -o "$work/attention" \
	"$here/attention.c" "$here/other_file.c" $libs -lm && run attention "$work/attention"
# shellcheck disable=SC2086
try "random, C99, is built" gcc -std=c99 $strict $include -o "$work/random" "$here/random.c" $libs -lm && run random "$work/random" 20
# shellcheck disable=SC2086
try "threads, C99 with POSIX threads, is built" gcc -std=c99 -D_POSIX_C_SOURCE=200809L $strict $include -o "$work/threads" \
	"$here/threads.c" $libs -lpthread -lm && run threads "$work/threads" 200 8

# C++ and the runtime API.
if command -v g++ >/dev/null 2>&1; then
	cudart=
	for file in "$cuda"/lib64/libcudart_static.a "$cuda"/lib/libcudart_static.a "$cuda"/targets/*/lib/libcudart_static.a \
		/usr/lib/*/libcudart_static.a; do
		[ ! -f "$file" ] || cudart=$file
	done
	if [ -n "$cudart" ]; then
		# shellcheck disable=SC2086
		try "runtime, C++11 by the runtime API, is built" g++ -std=c++11 $strict $include -o "$work/runtime" "$here/runtime.cpp" \
			"$cudart" $libs -ldl -lrt -lpthread -lm && run runtime "$work/runtime"
	else
		echo "skipped: $name/runtime: no libcudart_static.a"
	fi
else
	echo "skipped: $name/runtime: no g++"
fi

# A build that compiles attn_best.cu itself, and its program, by nvcc.
if command -v "$nvcc" >/dev/null 2>&1; then
	arch=$(sed -n 's/^#define ATTN_BEST_ARCH "\(.*\)"$/\1/p' "$folder/attn_best.h")
	try "attn_best.cu is compiled for $arch" "$nvcc" -fatbin "-arch=$arch" -std=c++17 -O3 -o "$work/attn_best.fatbin" \
		"$work/include/attn_best.cu"
	# shellcheck disable=SC2086
	try "compiled, by nvcc, is built" "$nvcc" -x cu -std=c++17 -Werror all-warnings "-I$work/include" -o "$work/compiled" \
		"$here/compiled.c" $libs && run compiled "$work/compiled" "$work/attn_best.fatbin"
else
	echo "skipped: $name/compiled: no nvcc"
fi

# CMake: find_package(CUDAToolkit) and an include path.
if command -v cmake >/dev/null 2>&1 && command -v g++ >/dev/null 2>&1; then
	try "the CMake project is configured" cmake -S "$here/cmake" -B "$work/cmake" "-DATTN_BEST_INCLUDE=$work/include" \
		"-DCUDAToolkit_ROOT=$cuda" -DCMAKE_BUILD_TYPE=Release &&
		try "the CMake project is built" cmake --build "$work/cmake" &&
		for program in attention runtime threads; do
			run "cmake/$program" "$work/cmake/$program" 50
		done
else
	echo "skipped: $name/cmake: no cmake"
fi

# pkg-config, from a staged installation.
if command -v pkg-config >/dev/null 2>&1; then
	if try "make install PREFIX= DESTDIR=" make -s -C "$root" install "OUT=$work/include" PREFIX=/opt/attune "DESTDIR=$work/stage"; then
		flags=$(PKG_CONFIG_PATH=$work/stage/opt/attune/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/stage \
			pkg-config --cflags --libs attn_best 2>&1)
		# shellcheck disable=SC2086
		try "a program is built with pkg-config's flags" gcc -std=c99 $strict -isystem "$cuda/include" -o "$work/by_pkg_config" \
			"$here/attention.c" "$here/other_file.c" ${stub:+-L$stub} $flags -lm &&
			run "attention, by pkg-config" "$work/by_pkg_config"
	fi
	if find "$work/stage" -type f ! -path "$work/stage/opt/attune/*" | grep -q .; then
		echo "FAIL: $name/make install writes outside of DESTDIR and PREFIX"
		bad=1
	fi
else
	echo "skipped: $name/pkg-config: not installed"
fi

# PyTorch, through ctypes.
python=${ATTUNE_ARG_PYTHON:-python3}
# shellcheck disable=SC2086
try "the PyTorch operator's library is built" gcc -std=c11 $strict $include -shared -fPIC -o "$work/attn_op.so" \
	"$here/torch/attn_op.c" $libs -lpthread
if command -v "$python" >/dev/null 2>&1; then
	run "the PyTorch operator" "$python" "$here/torch/attn_op.py" "$work/attn_op.so"
else
	echo "skipped: $name/the PyTorch operator: no $python"
fi

# Size and time of a build that includes it.
code=$(sed -n 's/.*: \([0-9]*\) bytes of machine code.*/\1/p' "$folder/attn_best.h" | awk '{ n += $1 } END { print n + 0 }')
size=$(wc -c <"$folder/attn_best.h")
if [ "$code" -gt 0 ] && [ "$size" -le $((6 * code)) ]; then
	echo "ok: $name/attn_best.h is $size bytes for $code of machine code"
else
	echo "FAIL: $name/attn_best.h is $size bytes for $code of machine code"
	bad=1
fi
# shellcheck disable=SC2086
# Half a second where nothing else runs; the limit leaves room for a slow machine.
seconds=$({ gcc -std=c99 -O2 $include -c -o "$work/other_file.o" "$here/other_file.c" && times; } 2>/dev/null |
	sed -n '2s/^\([0-9]*\)m\([0-9.]*\)s \([0-9]*\)m\([0-9.]*\)s$/\1 \2 \3 \4/p' | awk '{ print 60 * ($1 + $3) + $2 + $4 }')
if echo "$seconds" | awk '{ exit !($1 > 0 && $1 < 3) }'; then
	echo "ok: $name/other_file.c is compiled in $seconds s of processor time"
else
	echo "FAIL: $name/other_file.c takes '$seconds' s of processor time"
	bad=1
fi
exit $bad
