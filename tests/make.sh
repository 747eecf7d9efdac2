#!/bin/sh
# The Makefile, with stand-in sources: what reaches the programs, what rebuilds, and that deps comes first.
set -u
# Variables given to the make that runs the tests are no business of the makes in here.
[ -n "${ATTUNE_CLEAN:-}" ] || exec env -i ATTUNE_CLEAN=1 PATH="$PATH" HOME="${HOME:-/}" TMPDIR="${TMPDIR:-/tmp}" sh "$0"
root=$PWD
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

pass() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	tail -n 20 "$dir/out" | sed 's/^/    /'
}
run() { make "$@" >"$dir/out" 2>&1; }
is() { # name, then a command
	name=$1
	shift
	if "$@"; then pass "$name"; else fail "$name"; fi
}

mkdir -p "$dir/tree/src" "$dir/tree/tests" "$dir/tree/include"
cp -r "$root/Makefile" "$root/.ci" "$dir/tree/"
cd "$dir/tree" || exit 1
cat >include/word.h <<'END'
#define WORD "one"
END
cat >src/main.c <<'END'
#include <lua.h>
#include <stdio.h>
#include <word.h>
int main(int argc, char **argv)
{
	(void)lua_newstate;
	printf("%s:", WORD);
	for (int i = 1; i < argc; i++)
		printf("[%s]", argv[i]);
	puts("");
	return 0;
}
END
echo 'int main(void) { return 0; }' >src/run_main.c
echo 'int err_of(void); int err_of(void) { return 0; }' >src/err.c

is "the programs that have sources are built" run
is "a second make does nothing" sh -c "make >'$dir/out' 2>&1 && ! grep -qE 'CC|LINK|AR' '$dir/out'"
run tune
is "no variable, no option" grep -qx 'one:\[tune\]' "$dir/out"
run tune ARCH=sm_90a KERNEL=attn TRIALS=45 SEED=1 POLICY=p.lua JOBS=2 RUNNER='ssh box run' NVCC=nvcc OUT=o PYTHON=py \
	PROBLEM='b=1 h=8'
want='one:[tune][--arch][sm_90a][--kernel][attn][--problem][b=1 h=8][--trials][45][--seed][1][--policy][p.lua]'
want=$want'[--jobs][2][--runner][ssh box run][--nvcc][nvcc][--out][o][--python][py]'
is "every variable reaches the program" grep -qxF "$want" "$dir/out"

# Whatever a shell or make would run is only text.
# shellcheck disable=SC2016
evil='$(shell touch pwned1) $$(touch pwned2) `touch pwned3` ; touch pwned4 | "touch pwned5" '"'"' && touch pwned6 $HOME *'
run tune PROBLEM="$evil"
is "shell text in a variable is text" grep -qxF "one:[tune][--problem][$evil]" "$dir/out"
is "and nothing of it is run" sh -c '! ls pwned* 2>/dev/null'
PROBLEM="$evil" run tune
is "also from the environment" grep -qxF "one:[tune][--problem][$evil]" "$dir/out"
is "and nothing of that is run" sh -c '! ls pwned* 2>/dev/null'
run tune NVCC="$evil"
is "a strange NVCC is text too" sh -c '! ls pwned* 2>/dev/null'

sed -i s/one/two/ include/word.h
run tune
is "a changed header rebuilds what includes it" grep -qx 'two:\[tune\]' "$dir/out"
run CFLAGS=-O1
is "changed flags rebuild" grep -q 'CC *src/main.c' "$dir/out"
run CFLAGS=-O1
is "the same flags do not" sh -c "! grep -q CC '$dir/out'"
run V=1 CFLAGS='-O1 -Wno-shadow'
is "the user's flags come last" grep -q ' -Wshadow .* -O1 -Wno-shadow -c' "$dir/out"
echo 'int extra(void); int extra(void) { return 1; }' >src/extra.c
run
is "a new source joins" grep -q 'CC *src/extra.c' "$dir/out"
rm src/extra.c
run
is "a removed one leaves" grep -q 'LINK *build/attune' "$dir/out"
echo 'int main(void) { int x; return 0; }' >src/run_main.c
is "a warning is none without WERROR" run
is "and an error with it" sh -c "! make WERROR=1 >'$dir/out' 2>&1"
echo 'int main(void) { return 0; }' >src/run_main.c
is "SANITIZE=1 builds apart" sh -c "make SANITIZE=1 >'$dir/out' 2>&1 && nm build/san/attune | grep -q __asan_init"
is "STATIC=1 links no shared Lua" sh -c "make STATIC=1 >'$dir/out' 2>&1 && ! ldd build/attune | grep -qE 'lua|jansson|libmd|libz'"

# A machine on which deps has yet to bring pkg-config.
run clean
mkdir bin
cat >bin/pkg-config <<END
#!/bin/sh
[ -e '$dir/tree/brought' ] && exec $(command -v pkg-config) "\$@"
exit 1
END
chmod +x bin/pkg-config
PATH=$PWD/bin:$PATH
is "without the libraries, one line that names the remedy" sh -c "! make >'$dir/out' 2>&1 && grep -q 'run .make deps.' '$dir/out'"
printf '#!/bin/sh\nsleep 1\ntouch brought\n' >.ci/deps
is "deps comes first, also with -j" run -j4 deps tune
run help
for name in ARCH KERNEL PROBLEM TRIALS SEED POLICY JOBS RUNNER NVCC OUT PYTHON STATIC V deps tune check check-gpu lint clean; do
	grep -qE "^  $name\b" "$dir/out" || { fail "help names $name"; break; }
done
grep -q 'help' "$dir/out" && pass "help"
mkdir -p build/x
run clean
is "clean removes build" [ ! -e build ]
