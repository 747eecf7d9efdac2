#!/bin/sh
# .ci/deps: does nothing when nothing is missing; else names or installs the packages of each distribution. The
# distributions are stand-ins: a PATH in which only some tools exist, and a pkg-config that knows no library.
# shellcheck disable=SC2016
set -u
root=$PWD
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

pass() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	sed 's/^/    /' "$dir/out"
}
# Runs deps with only the tools of a folder.
deps() { env -i PATH="$1" PKG_CONFIG_LIBDIR=/nonexistent ATTUNE_ARG_NVCC=/bin/true "$root/.ci/deps" >"$dir/out" 2>&1; }

tool() { # folder name [body]
	if [ $# -eq 2 ]; then
		ln -sf "$(command -v "$2")" "$1/$2"
	else
		printf '#!/bin/sh\n%s\n' "$3" >"$1/$2"
		chmod +x "$1/$2"
	fi
}

machine() { # name uid: a folder with what every machine has
	bin=$dir/$1
	mkdir -p "$bin"
	for name in sh cc make dirname readlink env cat grep; do tool "$bin" "$name"; done
	tool "$bin" pkg-config 'case "$*" in *--exists*|*version*) [ -e "$(dirname "$0")/installed" ] ;; esac'
	tool "$bin" id "echo $2"
}

# Here, with everything there and every installer refused.
mkdir "$dir/none"
for name in apt-get sudo dnf pacman; do tool "$dir/none" "$name" 'echo called; exit 1'; done
if PATH="$dir/none:$PATH" .ci/deps >"$dir/out" 2>&1 && grep -q 'nothing is missing' "$dir/out" && ! grep -q called "$dir/out"; then
	pass "nothing missing, nothing done"
else
	fail "nothing missing, nothing done"
fi

machine apt-user 1000
tool "$bin" apt-get 'echo called; exit 1'
if ! deps "$bin" && grep -q '^    sudo apt-get install -y --no-install-recommends liblua5.4-dev libjansson-dev .*zlib1g-dev check$' \
	"$dir/out" && ! grep -q called "$dir/out"; then
	pass "without root, the apt command to type"
else
	fail "without root, the apt command to type"
fi

# The first installation fails for want of package lists, the second works.
machine apt-root 0
tool "$bin" touch
tool "$bin" apt-get 'd=$(dirname "$0"); echo "$@" >>"$d/calls"
case "$*" in *update*) touch "$d/lists" ;; *) [ -e "$d/lists" ] && touch "$d/installed" ;; esac'
if deps "$bin" && [ "$(cut -c 1-7 <"$bin/calls" | tr '\n' ' ')" = "install update  install " ]; then
	pass "as root, installed, with the lists fetched when they are missing"
else
	fail "as root, installed, with the lists fetched when they are missing"
fi

machine apt-broken 0
tool "$bin" apt-get 'exit 100'
if ! deps "$bin" && grep -q 'apt-get could not install them' "$dir/out"; then
	pass "an apt-get that fails is said"
else
	fail "an apt-get that fails is said"
fi

# An installer that claims success but brings nothing is not believed.
machine apt-liar 0
tool "$bin" apt-get 'exit 0'
if ! deps "$bin" && grep -q 'still missing after the installation: lua' "$dir/out"; then
	pass "what is installed is looked at"
else
	fail "what is installed is looked at"
fi

machine fedora 1000
tool "$bin" dnf 'echo called; exit 1'
if ! deps "$bin" && grep -q '^    sudo dnf install -y lua-devel jansson-devel .*zlib-devel check-devel$' "$dir/out"; then
	pass "the dnf command to type"
else
	fail "the dnf command to type"
fi

machine arch 1000
tool "$bin" pacman 'exit 1'
if ! deps "$bin" && grep -q '^    sudo pacman -S --needed lua jansson .*zlib check$' "$dir/out"; then
	pass "the pacman command to type"
else
	fail "the pacman command to type"
fi

machine bare 1000
rm "$bin/cc" "$bin/pkg-config"
if ! deps "$bin" && grep -q 'install: cc pkg-config lua jansson libmd zlib check (with' "$dir/out"; then
	pass "an unknown machine, everything named"
else
	fail "an unknown machine, everything named"
fi

if ATTUNE_ARG_NVCC=/no/nvcc PATH="$dir/none:/usr/bin:/bin" .ci/deps >"$dir/out" 2>&1 &&
	{ [ -x /usr/local/cuda/bin/nvcc ] || grep -q 'nvcc not found. Install the CUDA Toolkit' "$dir/out"; }; then
	pass "a missing nvcc is named and no failure"
else
	fail "a missing nvcc is named and no failure"
fi
