#!/bin/sh
# Several entries in one header, on the stand-in driver's family: tuning adds and replaces, drop takes away, the order of
# tuning does not matter, and verify names what was changed. The stand-in makes its times up; the compiler is real.
# shellcheck disable=SC2317  # functions are called by expect
set -u
root=${ATTUNE_ROOT:?}
build=${ATTUNE_BUILD:?}
if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
	echo "skipped: no nvcc"
	exit 0
fi
PATH=$PATH:/usr/local/cuda/bin
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
for name in lua include; do ln -s "$root/$name" "$dir/$name"; done
cp -R "$root/tests/families" "$dir/kernels"
cd "$dir" || exit 1
failed=0
ATTUNE_ROOT=$dir
export ATTUNE_ROOT

# expect NAME STATUS PATTERN command...: the exit status, and a line of output that matches.
expect() {
	name=$1 want=$2 pattern=$3
	shift 3
	"$@" >"$dir/log" 2>&1
	got=$?
	if [ "$got" -eq "$want" ] && grep -Eq -- "$pattern" "$dir/log"; then
		echo "ok: $name"
	else
		echo "FAIL: $name: status $got instead of $want, or no line matches '$pattern'"
		sed 's/^/    /' "$dir/log" | tail -n 15
		failed=1
	fi
}
same() { # NAME FILE FILE
	if cmp -s "$2" "$3"; then echo "ok: $1"; else
		echo "FAIL: $1"
		failed=1
	fi
}
attune=$build/attune
live="env LD_LIBRARY_PATH=$build/tests/fakecuda $build/attune-run"
header=a/blend_best.h

# Times differ from run to run, also made up ones: two runs are recorded, and everything else replays them.
"$attune" suite --kernel blend --trials 4 --runner "$live" --out live --problem seed --problem "rows=64" >log 2>&1
for journal in build/runs/*/1/trials.jsonl; do
	if head -n 1 "$journal" | grep -q 'rows=64'; then other=$journal; else seed=$journal; fi
done
"$attune" record "${seed:-none}" seed.jsonl.gz >>log 2>&1
"$attune" record "${other:-none}" other.jsonl.gz >>log 2>&1 || { echo "FAIL: nothing was recorded"; tail log; exit 1; }
tune() { # RECORD OPTION...
	record=$1
	shift
	"$attune" tune --kernel blend --trials 4 --record "$record.jsonl.gz" "$@"
}

# --- merging -------------------------------------------------------------------------------------------------------
expect "the first problem makes a header" 0 '^entry +seed_sm_[0-9a]+, one of 1 in a/' tune seed --out a
# An entry tells its search: every trial once and in order, those of the ranking with the times that they have there, the winner
# among these.
told() {
	python3 - "$1" <<-'end'
		import json, sys
		entry = json.load(open(sys.argv[1]))
		search, ranking = entry["evidence"]["search"], entry["evidence"]["ranking"]
		by_n = {t["n"]: t for t in search}
		same = [r for r in ranking if r["n"] in by_n and by_n[r["n"]]["verdict"] == r["verdict"] == "ok" and
		        by_n[r["n"]]["time_us"] == r["time_us"] and set(by_n[r["n"]]["candidate"].split()) <= set(r["candidate"].split())]
		print(len(search), "trials,", "once" if len({t["candidate"] for t in search}) == len(search) else "not once",
		      "and in order," if list(by_n) == sorted(by_n) and len(by_n) == len(search) else "and out of order,",
		      "%d of %d ranked" % (len(same), len(ranking)),
		      entry["header"]["candidate_text"] in [r["candidate"] for r in same])
	end
}
expect "it tells its search" 0 '^4 trials, once and in order, ([1-9]) of \1 ranked True$' told a/entries/blend_seed_sm_*.json
arch=$("$attune" list --kernel blend --out a | sed -n '1s/^seed_\(sm_[0-9a]*\) .*/\1/p')
cp $header one.h
expect "another problem joins it" 0 "^entry +rows64_cols64_f16_packed_$arch, one of 2 " tune other --out a --problem "cols=64 rows=64"
cp $header two.h
expect "the same problem takes its own place" 0 ', one of 2 ' tune other --out a --problem "rows=64"
same "and the same bytes come out" $header two.h
tune other --out b --problem "rows=64" >log 2>&1
expect "in the other order" 0 'one of 2 in b/' tune seed --out b
if diff -r a b >log; then echo "ok: the order does not matter"; else
	echo "FAIL: the order matters"
	head -n 5 log
	failed=1
fi
tune other --out d --problem "rows=64" >log 2>&1 &
pid=$!
tune seed --out d >log 2>&1
wait $pid
if diff -r a d >log; then echo "ok: two at once lose nothing"; else
	echo "FAIL: two at once"
	head -n 5 log
	failed=1
fi
suite() { "$attune" suite --kernel blend --trials 4 --runner "$live" --out c "$@"; }
expect "several problems in one command" 0 '^2 problems tuned, 0 up to date, 0 failed, 0 left' suite --problem "rows=64" --problem seed
cp c/blend_best.h c.h
expect "what is up to date is left alone" 0 '^0 problems tuned, 2 up to date, 0 failed, 0 left' suite --problem "rows=64" --problem seed
same "with its bytes" c.h c/blend_best.h
expect "all that the family names, where that is one" 0 '^up to date: seed$' suite
expect "more trials are wanted: tuned again" 0 '^1 problems tuned, 0 up to date' suite --trials 5 --problem seed
expect "fewer are there already" 0 '^0 problems tuned, 1 up to date' suite --trials 3 --problem seed
expect "another seed" 0 '^1 problems tuned' suite --seed 2 --problem seed
expect "which is nothing to who asks for the winner's source" 0 '^0 problems tuned, 1 up to date' suite --retune winner --problem seed
expect "or who wants what is missing" 0 '^1 problems tuned, 1 up to date' suite --seed 3 --trials 9 --retune missing --problem seed \
	--problem "rows=80"
"$attune" drop --kernel blend --out c --problem "rows=80" >log 2>&1
expect "all, whatever there is" 0 '^1 problems tuned, 0 up to date' suite --retune all --problem seed
echo "-- a comment" >>kernels/blend/direct.lua
expect "other sources" 0 '^2 problems tuned, 0 up to date' suite --problem "rows=64" --problem seed
echo "-- another comment" >>kernels/blend/direct.lua
expect "that change no winner's own" 0 '^0 problems tuned, 2 up to date' suite --retune winner --problem "rows=64" --problem seed
for file in kernels/blend/*.cu; do echo "// a comment" >>"$file"; done
expect "and that do" 0 '^2 problems tuned, 0 up to date' suite --retune winner --problem "rows=64" --problem seed
expect "a suite goes on after a failure" 1 '^1 problems tuned, 0 up to date, 1 failed' suite --problem "rows=0" --problem seed --retune all
expect "a word that it does not know" 2 'expected one of sources, winner, missing, all' suite --retune some
expect "no baseline in the championship" 0 '^championship: [0-9]+ candidates? *s? in' suite --retune all --problem seed
expect "and none at all" 0 'no baseline was measured' suite --retune all --problem seed --baselines none
rm -rf kernels
cp -R "$root/tests/families" kernels
expect "list names both" 0 '^2 of 2 entries' "$attune" list --kernel blend --out a
expect "or one of them, by its sizes in any order" 0 '^1 of 2 entries' "$attune" list --kernel blend --out a --problem "rows=64 dtype=f16"
"$attune" list --kernel blend --out a --problem seed --source >listed.cu
same "list prints a source" listed.cu a/blend_best.cu
expect "its times are not called a real GPU's" 0 'stand-in' "$attune" list --kernel blend --out a
mv "a/entries/blend_seed_$arch.json" kept
expect "without its file an entry is gone" 0 'from 1 entries' "$attune" emit --kernel blend --out a
mv kept "a/entries/blend_seed_$arch.json"
expect "and comes back with it" 0 'from 2 entries' "$attune" emit --kernel blend --out a
same "byte by byte" $header two.h

# --- verify --------------------------------------------------------------------------------------------------------
verify() { "$attune" verify "$@" "$header"; }
expect "verify rebuilds every entry" 0 "^rows64_cols64_f16_packed_$arch: rebuilt by nvcc .*, bit-identical" verify --no-gpu
expect "or one of them" 0 "^seed_$arch: rebuilt by nvcc .*, bit-identical" verify --no-gpu --problem seed
expect "one that is not there" 1 'no entry for nobody' verify --no-gpu --problem nobody
expect "rebuilding can be left to another machine" 0 '^skipped: nothing was rebuilt' verify --runner "$live" --no-build --problem seed
expect "and says what it did not do" 0 '^skipped: nothing was judged or timed: --no-gpu' verify --no-gpu
expect "on a device it judges and times" 0 "^seed_$arch: judged right on .*stand-in.* us, recorded .* us \([+-]" verify --runner "$live"
# One byte of one entry's machine code, of its text, and of the common part.
line=$(grep -n "_rows64_cols64_f16_packed_${arch}_image_\[\]" $header | cut -d: -f1)
sed "$((line + 2))s/0x\([0-9a-e]\)/0x1\1/;$((line + 2))s/0x1\([0-9a-f]\)\([0-9a-f]\)/0x1\2/" two.h >$header
if cmp -s two.h $header; then echo "FAIL: the test changed nothing"; failed=1; fi
expect "a changed byte of machine code: the entry is named" 1 "^DIFFERS: rows64_cols64_f16_packed_$arch\$" verify --no-gpu
sed "s/\(_SEED_.*_MEASURED\) 1/\1 2/" two.h >$header
expect "a changed constant: the entry is named" 1 "^DIFFERS: seed_$arch\$" verify --no-gpu
sed "s/65536/65537/" two.h >$header
expect "a changed check outside of the entries" 1 '^DIFFERS: the header itself$' verify --no-gpu
printf ' ' | cat two.h - >$header
expect "a byte at the end" 1 '^DIFFERS: the header itself$' verify --no-gpu
cp two.h $header
entry="a/entries/blend_seed_$arch.json"
cp "$entry" kept
sed 's|// |//  |' kept >"$entry"
cmp -s kept "$entry" && sed 's|__global__|__global__ |' kept >"$entry"
expect "a changed source is refused" 1 "blend_seed_$arch.json: its source has the hash" verify --no-gpu
awk '/"cubin"/ { n = NR } n && NR == n + 3 { sub(/[A-Za-z]/, "0") } { print }' kept >"$entry"
expect "changed machine code in an entry's file is refused" 1 'its machine code has the hash' verify --no-gpu
head -c 3000 kept >"$entry"
expect "a cut file is named" 1 "blend_seed_$arch.json: line " verify --no-gpu
expect "and nothing is merged over it" 1 "blend_seed_$arch.json" tune other --out a --problem "rows=64"
same "the header stays as it was" two.h $header
version=$(nvcc --version | sed -n 's/.*V\([0-9.]*\)$/\1/p')
sed "s/\"nvcc\": \"$version\"/\"nvcc\": \"1.2.3\"/" kept >"$entry"
"$attune" emit --kernel blend --out a >/dev/null
expect "another toolkit: stale" 3 "^seed_$arch: stale: tuned with nvcc 1.2.3, and this is nvcc $version" verify --no-gpu
expect "and the last line names the entry" 3 "^stale: seed_$arch\$" verify --no-gpu
sed 's/"driver": "\(.*\)"/"driver": "0.\1"/' kept >"$entry"
"$attune" emit --kernel blend --out a >/dev/null
expect "another driver: stale, and by how much the time moved" 3 "^seed_$arch: stale: driver 0.*, now .*: .* us, recorded .*%" \
	verify --runner "$live"
cp kept "$entry"
"$attune" emit --kernel blend --out a >/dev/null
same "all is as before" two.h $header
expect "a header of nobody's" 1 'no entries under' "$attune" verify --no-gpu "$root/tests/golden/attn_best.h"
expect "no header at all" 1 'FAMILY_best.h' "$attune" verify --no-gpu nothing.h

# --- drop ----------------------------------------------------------------------------------------------------------
expect "drop wants a problem" 2 'problem is missing' "$attune" drop --kernel blend --out a
expect "one that is not there" 1 'no entry of a/blend_best.h is for rows=9' "$attune" drop --kernel blend --out a --problem rows=9
expect "on another chip" 1 'no entry of' "$attune" drop --kernel blend --out a --problem seed --arch sm_70
expect "drop takes one away" 0 '^dropped rows64_.*1 entries are left' \
	"$attune" drop --kernel blend --out a --problem "rows=64" --arch "$arch"
same "and leaves what was there before it" one.h $header
expect "the last one" 0 '^dropped seed_' "$attune" drop --kernel blend --out a --problem seed
if [ -e $header ] || [ -e a/blend_best.cu ] || [ -e a/blend_best.json ]; then
	echo "FAIL: files are left of no entry"
	failed=1
else
	echo "ok: takes the header with it"
fi
exit $failed
