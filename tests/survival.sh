#!/bin/sh
# shellcheck disable=SC2015,SC2012,SC2013,SC2317  # A && ok || fail: ok cannot fail; the folders made here have plain names
# What a tune survives, on the stand-in driver's family: signals, processes killed at random moments (ATTUNE_KILLS of them
# while it replays, ATTUNE_LIVE_KILLS while it compiles and runs), two tunes at once, a full disk, a folder that cannot be
# written. The finished trials are kept, none is run twice, and the winner is that of an undisturbed run.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
kills=${ATTUNE_KILLS:-40}
live_kills=${ATTUNE_LIVE_KILLS:-5}
if ! command -v nvcc >/dev/null; then
	echo "skipped: no nvcc"
	exit 0
fi
work=$(mktemp -d) || exit 1
mounts=
cleanup() {
	for m in $mounts; do umount "$m"; done
	rm -rf "$work"
}
trap cleanup EXIT
failed=0
ok() { echo "ok: $1"; }
fail() {
	echo "FAIL: $1"
	[ -z "${2:-}" ] || tail -n 5 "$2" | cut -c1-300 | sed 's/^/      /'
	failed=1
}
check() { # what, then a command
	what=$1
	shift
	"$@" >/dev/null 2>&1 && ok "$what" || fail "$what" "$work/log"
}
for name in lua include; do ln -s "$root/$name" "$work/$name"; done
ln -s "$root/tests/families" "$work/kernels"
mkdir -p "$work/build" "$build/hostile-blend"
ln -s "$build/hostile-blend" "$work/build/blend"
cd "$work" || exit 1
export ATTUNE_ROOT="$work"
live="env LD_LIBRARY_PATH=$build/tests/fakecuda $build/attune-run"
tune() { "$build/attune" tune --kernel blend --problem seed "$@"; }
journal() { ls build/runs/*/*/trials.jsonl; }
trials() { grep '"kind":"trial"' "$1" | sed 's/.*"candidate":"\([^"]*\)".*/\1/'; }
twice() { for j in $(journal); do trials "$j" | sort | uniq -d; done | wc -l; }
# What has ended but is not yet collected by its parent (an init process may take seconds) is not running.
running() { grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"; }

tune --trials 12 --out first --runner "$live" >log 2>&1 || fail "an undisturbed live tune" log
"$build/attune" record "$(journal)" run.jsonl.gz >log 2>&1 || fail "its record" log
rm -rf build/runs
replay() { tune --trials 12 --record run.jsonl.gz "$@"; }
replay --out want >log 2>&1 || fail "an undisturbed replay" log

# --- one signal: what runs is finished and kept; two: at once -----------------------------------------------------
until_trials() { # at least N finished trials
	tries=0
	while [ "$(cat build/runs/*/1/trials.jsonl 2>/dev/null | grep -c '"kind":"trial"')" -lt "$1" ] && [ $tries -lt 400 ]; do
		tries=$((tries + 1))
		sleep 0.02
	done
}
for signal in INT TERM; do
	rm -rf build/runs
	# setsid: a shell starts what runs in the background with SIGINT ignored.
	setsid -f sh -c 'echo $$ >pid; exec "$@"' sh env --default-signal=INT "$build/attune" tune --kernel blend --problem seed \
		--trials 12 --out stopped --runner "$live" >log 2>&1
	until_trials 2
	kill -$signal "$(cat pid)"
	tries=0
	while running "$(cat pid)" && [ $tries -lt 300 ]; do
		tries=$((tries + 1))
		sleep 0.02
	done
	[ $tries -lt 300 ] && grep -q 'the same command goes on from here' log && ok "SIG$signal once: stopped, and says how to go on" ||
		fail "SIG$signal once" log
	intents=$(grep -c '"kind":"intent"' "$(journal)")
	done_trials=$(trials "$(journal)" | wc -l)
	[ "$intents" -le "$done_trials" ] && ok "SIG$signal: what had begun is finished ($done_trials trials)" ||
		fail "SIG$signal: $intents begun, $done_trials finished" log
	tune --trials 12 --out stopped --runner "$live" >log 2>&1
	check "SIG$signal: goes on to the same winner" cmp first/blend_best.cu stopped/blend_best.cu
done
rm -rf build/runs
setsid -f sh -c 'echo $$ >pid; exec "$@"' sh env --default-signal=INT "$build/attune" tune --kernel blend \
	--problem seed --trials 12 --out stopped --runner "sleep 60" >log 2>&1
sleep 0.3
# Two of a kind that wait together are one, so the second is sent until it is heeded. One alone waits for what runs, and
# then says how to go on.
tries=0
while running "$(cat pid)" && [ $tries -lt 50 ]; do
	kill -INT "$(cat pid)" 2>/dev/null
	tries=$((tries + 1))
	sleep 0.2
done
[ $tries -ge 2 ] && [ $tries -lt 50 ] && ! grep -q 'goes on from here' log && ok "SIGINT twice: at once" ||
	fail "SIGINT twice: after $tries signals" log

# --- a device that breaks ------------------------------------------------------------------------------------------
rm -rf build/runs
tune --trials 12 --out broken --runner "env FAKECUDA_BROKEN=$work/broken-now $live" >log 2>errors &
victim=$!
until_trials 2
touch broken-now
wait $victim
status=$?
[ $status -eq 1 ] && [ "$(wc -l <errors)" -eq 1 ] && grep -q 'fails a known-good probe, twice' errors &&
	ok "a device that breaks: $(cut -c1-100 errors)" || fail "a device that breaks: status $status" errors
"$build/attune" record "$(journal)" x.jsonl.gz >out 2>&1 && ok "its journal is whole" || fail "its journal is damaged" out
[ "$(grep -c '"verdict":"\(wrong\|nondeterministic\|fault\)"' "$(journal)")" -eq 0 ] && [ ! -e broken/blend_best.h ] &&
	ok "no candidate is blamed for it, and there is no winner" || fail "a candidate is blamed for it"
tune --trials 12 --out broken --runner "env FAKECUDA_BROKEN=$work/broken-now $live" >log 2>errors
status=$?
[ $status -eq 1 ] && [ "$(wc -l <errors)" -eq 1 ] && ok "still broken: says so again" || fail "still broken: status $status" errors
rm broken-now
tune --trials 12 --out broken --runner "env FAKECUDA_BROKEN=$work/broken-now $live" >log 2>&1
check "mended: goes on to the same winner" cmp first/blend_best.cu broken/blend_best.cu
[ "$(twice)" -eq 0 ] && ok "mended: no trial was run twice" || fail "mended: trials were run twice" log

# --- kill -9 of random processes ------------------------------------------------------------------------------------
descendants() { # of a process, itself included
	echo "$1"
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do descendants "$child"; done
}
random() { od -An -N2 -tu2 /dev/urandom | tr -d ' '; }
# storm N MILLISECONDS OPTION...: tunes with these options again and again, each time killing one process at some moment.
storm() {
	left=$1 span=$2 hit=0
	shift 2
	while [ "$left" -gt 0 ]; do
		(exec "$build/attune" tune --kernel blend --problem seed --trials 12 "$@") >log 2>&1 &
		victim=$!
		sleep "$(awk -v r="$(random)" -v s="$span" 'BEGIN { printf "%.3f", r % s / 1000 }')"
		descendants $victim >pids
		line=$(($(random) % $(wc -l <pids) + 1))
		kill -9 "$(sed -n "${line}p" pids)" 2>/dev/null && hit=$((hit + 1))
		wait $victim 2>/dev/null
		left=$((left - 1))
	done
}
# after NAME WANT OPTION...: the same command to its end; the journal is whole and the winner the undisturbed one.
after() {
	name=$1 want=$2
	shift 2
	if tune --trials 12 "$@" >log 2>&1; then ok "$name: goes on to the end"; else fail "$name: does not end" log; fi
	for j in $(journal); do
		"$build/attune" record "$j" x.jsonl.gz >out 2>&1 || fail "$name: $j is damaged" out
	done
	[ "$(twice)" -eq 0 ] && [ "$(for j in $(journal); do trials "$j"; done | wc -l)" -ge 12 ] &&
		ok "$name: no finished trial was run twice" || fail "$name: trials were run twice"
	check "$name: the winner is the undisturbed one" cmp "$want" killed/blend_best.h
}
rm -rf build/runs
storm "$kills" 30 --record run.jsonl.gz --out killed
after "$hit kills while replaying" want/blend_best.h --record run.jsonl.gz --out killed
rm -rf build/runs killed
storm "$live_kills" 1500 --out killed --runner "$live"
tune --trials 12 --out killed --runner "$live" >log 2>&1 && ok "$hit kills while running: goes on to the end" ||
	fail "$hit kills while running: does not end" log
[ "$(twice)" -eq 0 ] && ok "$hit kills while running: no finished trial was run twice" || fail "trials were run twice"

# --- two at once ----------------------------------------------------------------------------------------------------
rm -rf build/runs
(exec "$build/attune" tune --kernel blend --problem seed --trials 12 --seed 1 --out one --runner "$live") >log1 2>&1 &
first=$!
until_trials 1
tune --trials 12 --seed 1 --out one --runner "$live" >log 2>&1
status=$?
[ $status -eq 1 ] && grep -q 'another attune is running this same tune' log && ok "the same tune twice: the second says so" ||
	fail "the same tune twice: status $status" log
tune --trials 6 --seed 2 --out two --runner "$live" >log 2>&1 && ok "two tunes in one tree" || fail "two tunes in one tree" log
wait $first && ok "the first is not disturbed" || fail "the first was disturbed" log1
check "and has its winner" cmp first/blend_best.cu one/blend_best.cu

# --- no room, no permission -----------------------------------------------------------------------------------------
# refused NAME FOLDER [RUNS]: a replay into FOLDER fails with one clear line, and the header that was there is untouched.
refused() {
	"$build/attune" tune --kernel blend --problem seed --trials 12 --record run.jsonl.gz --out "$2" >log 2>errors
	status=$?
	if [ $status -ne 1 ] || [ "$(wc -l <errors)" -ne 1 ]; then
		fail "$1: status $status, $(wc -l <errors) lines" errors
	elif ! cmp -s old.h "$2/blend_best.h"; then
		fail "$1: the old header was touched"
	else
		ok "$1: $(sed 's/^attune: [^ ]*: //' errors | cut -c1-80)"
	fi
}
echo '/* an old header */' >old.h
mkdir full readonly
rm -rf build/runs
if mount -t tmpfs -o size=1m none full 2>/dev/null; then
	mounts="$work/full"
	cp old.h full/blend_best.h
	head -c 2m /dev/zero >full/filler 2>/dev/null
	refused "a full disk of 1 MiB" full
	rm -rf full/filler build/runs
	mkdir full/build
	ln -s "$build/hostile-blend" full/build/blend
	for name in lua include kernels; do ln -s "$work/$name" "full/$name"; done
	head -c 2m /dev/zero >full/filler 2>/dev/null
	"$build/attune" tune --root full --kernel blend --problem seed --trials 12 --record run.jsonl.gz --out o >log 2>errors
	status=$?
	[ $status -eq 1 ] && [ "$(wc -l <errors)" -eq 1 ] && ok "no room for the journal: $(cut -c1-80 errors)" ||
		fail "no room for the journal: status $status" errors
	rm -f full/filler
	"$build/attune" tune --root full --kernel blend --problem seed --trials 12 --record run.jsonl.gz --out o >log 2>&1 &&
		ok "with room again it goes on" || fail "with room again" log
else
	echo "skipped: a full disk: no permission to mount one"
fi
cp old.h readonly/blend_best.h
if mount -t tmpfs none readonly 2>/dev/null; then
	mounts="$mounts $work/readonly"
	cp old.h readonly/blend_best.h
	mount -o remount,ro "$work/readonly" && refused "a read-only folder" readonly
elif [ "$(id -u)" -ne 0 ]; then
	chmod 555 readonly
	refused "a read-only folder" readonly
	chmod 755 readonly
else
	echo "skipped: a read-only folder: root may write everywhere, and may not mount here"
fi
rm -rf build/runs
cp old.h o.h
mkdir -p limited
cp old.h limited/blend_best.h
(
	ulimit -f 4 # KiB (or blocks of 512 bytes): the journal fits, the header does not
	exec "$build/attune" tune --kernel blend --problem seed --trials 12 --record run.jsonl.gz --out limited
) >log 2>errors
status=$?
[ $status -eq 1 ] && [ "$(wc -l <errors)" -eq 1 ] && cmp -s old.h limited/blend_best.h &&
	ok "a limit on the size of files: $(cut -c1-80 errors)" || fail "a limit on the size of files: status $status" errors
rm -rf build/runs
tune --trials 12 --out gone --runner "$live" >log 2>&1 &
victim=$!
until_trials 1
mv build build-away
wait $victim
status=$?
[ $status -le 1 ] && ok "the build folder goes away: status $status" || fail "the build folder goes away: status $status" log
rm -rf build
mv build-away build
exit $failed
