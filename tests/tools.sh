#!/bin/sh
# shellcheck disable=SC2016  # expanded by the inner shell
# compute-sanitizer and ncu in a tune, by stand-ins (tests/tools) on the stand-in driver's family: what they say of the
# winner and of the elites, what becomes of it, and every way in which they can be of no use.
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
ln -s "$root/tests/families" "$dir/kernels"
mkdir -p "$dir/build" "$build/hostile-blend"
ln -s "$build/hostile-blend" "$dir/build/blend"
cd "$dir" || exit 1
export ATTUNE_ROOT="$dir"
live="env LD_LIBRARY_PATH=$build/tests/fakecuda $build/attune-run"

expect() { # what happened, then a command
	what=$1
	shift
	if "$@" >"$dir/out" 2>&1; then echo "ok: $what"; else
		echo "FAIL: $what"
		sed 's/^/    /' log "$dir/out" | tail -n 15
	fi
}
without() { expect "$1" sh -c '! grep -q "$0" "$1"' "$2" "$3"; } # what, pattern, file
tune() { # folder of the winner, then further options
	out=$1
	shift
	"$build/attune" tune --kernel blend --problem seed --trials 7 --processes 1 --out "$dir/$out" "$@" >log 2>&1
}
fresh() { # the same on the stand-in driver, from the beginning
	rm -rf build/runs build/tools
	tune "$@" --runner "$live"
}
journal() { ls build/runs/*/1/trials.jsonl; }
tried() { grep '"kind":"trial"' "$(journal)" | sed 's/.*"candidate":"\([^"]*\)".*/\1/'; }
winner() { sed -n 's/^winner *//p' log; }
provenance() { # what the four tools are said to have found, in the evidence of a folder
	sed -n '/"sanitizer": {/,/}/s/.*check": *"\(.*\)".*/\1/p' "$1/blend_best.json" | head -n 4 | paste -sd '|'
}

# --- the winner under compute-sanitizer ----------------------------------------------------------------------------------
tools=$root/tests/tools
real=$(PATH=$PATH:/opt/cuda/bin command -v compute-sanitizer || command -v ncu) || real=
if [ -n "$real" ]; then
	echo "skipped: a tune without the tools: $real is installed"
else
	fresh none
	expect "without compute-sanitizer a tune ends well and says so" grep -q '^sanitizer compute-sanitizer is not installed$' log
	expect "its evidence says so" grep -q '"sanitizer": *"compute-sanitizer is not installed"' none/blend_best.json
	expect "without ncu it says so" grep -q 'none: ncu is not installed; none in this run' log
fi
PATH=$tools:$PATH
export SANITIZER_CALLS="$dir/calls"
fresh clean --profile off
first=$(winner)
expect "a clean winner is said to be clean" grep -q \
	'^sanitizer memcheck, initcheck, synccheck, racecheck: clean (' log
expect "its evidence too" test "$(provenance clean)" = 'clean|clean|clean|clean'
expect "each tool ran once" test "$(sort calls | tr '\n' ' ')" = 'initcheck memcheck racecheck synccheck '
expect "its kernels are named, and the smallest odd problems" grep -qa 'rows=1 cols=40.*rows=33 cols=48' build/runs/*/1/tool/requests
without "nothing else is" 'rows=32 cols=64' build/runs/*/1/tool/requests
rm -f calls
sed -i '$d' "$(journal)"
tune again --profile off --runner "$live"
expect "a tune that goes on does not ask again" test ! -e calls
expect "and says the same" diff -r clean again
rm -rf build/runs
tune kept --profile off --runner "$live"
expect "another tune that ends at the same machine code does not ask either" test ! -e calls
expect "and says so" grep -q 'clean (.* s), in an earlier run$' log
expect "its evidence is the same" test "$(provenance kept)" = "$(provenance clean)"
without "--profile off asks no profiler" '"kind":"profile"' "$(journal)"

export SANITIZER_DOES=find SANITIZER_FINDS="$first"
fresh found --profile off
expect "a finding disqualifies" grep -qF \
	"sanitizer disqualifies $first: fault: memcheck: Invalid __global__ read of size 4 bytes at blend+0x90" log
expect "another finalist wins" sh -c '[ -n "$0" ] && [ "$0" != "$1" ]' "$(winner)" "$first"
expect "which is clean" test "$(provenance found)" = 'clean|clean|clean|clean'
expect "the journal has the verdict" grep -q "\"kind\":\"sanitizer\",\"candidate\":\"$first\".*\"verdict\":\"fault\"" "$(journal)"
expect "the table counts it" grep -q '1  fault: memcheck: Invalid' log
"$build/attune" record "$(journal)" run.jsonl.gz >log 2>&1
tune replayed --record run.jsonl.gz
expect "replayed, the same one wins" grep -q "^winner *$(sed -n 's/.*"candidate_text": *"\([^"]*\)".*/\1/p' found/blend_best.json)" log
SANITIZER_FINDS='"candidate":"'
fresh nobody --profile off
expect "with findings against all of them nothing is emitted" sh -c \
	'[ ! -e nobody/blend_best.h ] && grep -q "none of the 3 finalists is sound" log'

SANITIZER_DOES=advise
fresh advised --profile off
expect "races are advice" test "$(winner)" = "$first"
expect "which is recorded, and with what" grep -q '"racecheck": *"advice: Error: Race .* Write access at blend+0x10 and Read access' \
	advised/blend_best.json
SANITIZER_DOES=refuse
fresh refused --profile off
expect "a tool that refuses the device found nothing out" test \
	"$(grep -c '"not run: Error: Device not supported. Please refer' refused/blend_best.json)" -eq 8
expect "and costs nobody the win" test "$(winner)" = "$first"
before=$(date +%s)
SANITIZER_DOES=hang
fresh hung --profile off
expect "a tool that hangs is not called clean" test "$(provenance hung)" = 'clean|not finished in 12 s|clean|clean'
expect "and is not waited for" test $(($(date +%s) - before)) -lt 60
# What has ended but is not yet collected is not left: an init process may take seconds.
expect "nothing of it is left" sh -c '! grep -qs "^State:[[:space:]]*[^ZX]" "/proc/$(cat build/runs/*/1/tool/pid)/status"'
rm -f calls
fresh off --profile off --sanitizer off
expect "--sanitizer off runs none" test ! -e calls
expect "and says so" grep -q '"sanitizer": *"off"' off/blend_best.json
rm -rf build/runs build/tools
printf '#!/bin/sh\nexec %s\n' "$live" >elsewhere
chmod +x elsewhere
tune elsewhere_out --runner "$dir/elsewhere"
expect "a runner that may be elsewhere is left alone" sh -c \
	'[ ! -e calls ] && grep -q "^sanitizer the runner.s command is not attune-run alone" log'
unset SANITIZER_DOES SANITIZER_FINDS

# --- profiles for the policy ---------------------------------------------------------------------------------------------
cat >asks.lua <<'END'
-- Goes where profiles send it: what it proposes shows what it was told, and when.
function seed(run) return { { variant = "direct", WIDTH = 128 } } end
function observe(run, t)
  run.log("static %s: %d regs, %d spilled, %d bytes, %g CTAs, limit %s, %d warnings", t.key, t.regs, t.spill_bytes,
          t.smem_bytes, t.occupancy, t.limit, t.warnings)
end
function breed(run)
  local seen = 0
  for _, trial in ipairs(run.trials) do
    local p = trial.profile
    if p then
      seen = seen + 1
      run.log("told %s at %d: limit %s, xu %s, conflicts %s", trial.key, run.tried, p.limit, p.xu, p.bank_conflicts)
    end
  end
  for _, order in ipairs { seen % 2, 1 - seen % 2 } do
    for _, width in ipairs { 32, 64, 96, 128 } do
      local c = { variant = seen == 1 and width ~= 96 and "steps" or "direct", WIDTH = width }
      if c.variant == "direct" then c.ORDER = order end
      if not run.space:seen(c) then return { c } end
    end
  end
  return {}
end
END
export NCU_CALLS="$dir/ncu-calls"
fresh profiled --policy asks.lua
expect "the best are profiled" grep -q '^profile   limit xu, issue 12%, tensor 12%, xu 72%, shared 12%' log
expect "the policy is told before its next question" grep -q 'told .* at 2: limit xu, xu 72.5, conflicts 100' log
expect "the journal has it" grep -q '"kind":"profile".*"told":2.*"limit":"xu"' "$(journal)"
expect "the evidence has it" grep -q '"limit": *"xu"' profiled/blend_best.json
expect "at most three were taken" test "$(wc -l <ncu-calls)" -le 3
expect "of the candidate's own kernels, one call" sh -c 'head -n 1 ncu-calls | grep -qF "regex:^(blend)\$ 1"'
tried >want
grep -E 'static|told' log >policy-want
expect "what the compiler says of each kernel is told as well" test "$(grep -c 'static .* regs, .* limit [A-Za-z]' policy-want)" -eq 7
"$build/attune" record "$(journal)" profiled.jsonl.gz >log 2>&1
cp "$(journal)" whole
rm -f ncu-calls
# Up to the last one: whether a further one fits into the run's time is decided by the clock.
head -n "$(grep -n '"kind":"profile"' whole | tail -n 1 | cut -d: -f1)" whole >"$(journal)"
tune resumed --policy asks.lua --runner "$live"
tried >got
expect "a tune that goes on behind a profile proposes the same" cmp want got
expect "and asks the profiler nothing" test ! -e ncu-calls
expect "where some of it was still to do" test "$(grep -c '"kind":"trial"' whole)" -gt "$(grep -n '"kind":"profile"' whole | tail -n 1 |
	cut -d: -f1 | xargs -I% head -n % whole | grep -c '"kind":"trial"')"
rm -rf build/runs ncu-calls
tune replayed --policy asks.lua --record profiled.jsonl.gz
tried >got
grep -E 'static|told' log >policy-got
expect "replayed, the policy is told the same" diff policy-want policy-got
expect "and proposes the same" cmp want got
expect "without a profiler" test ! -e ncu-calls
fresh once --policy asks.lua --profile 1
expect "--profile 1 takes one" test "$(wc -l <ncu-calls)" -eq 1
rm -rf ncu-calls build/runs
tune kept_profile --policy asks.lua --profile 1 --runner "$live"
expect "what is known of its machine code is not asked again" test ! -e ncu-calls
expect "and the policy is told it" grep -q 'told ' log
export NCU_DOES=forbidden
fresh forbidden --policy asks.lua
expect "a forbidden profiler is said once, and the tune ends well" test "$(grep -c ERR_NVGPUCTRPERM log)" -eq 1
expect "and is not tried again" test "$(wc -l <ncu-calls)" -eq 1
without "the policy is told nothing" '^.*told ' log
export NCU_DOES=nothing
fresh empty --profile 1
expect "a profiler that leaves no table is said" grep -q '^profile   none: it left no report' log
export NCU_DOES=hang
fresh stuck --profile 1
expect "one that hangs is left" grep -q '^profile   none: not finished in 8 s' log
for option in "--sanitizer maybe" "--profile some" "--profile -1"; do
	# shellcheck disable=SC2086
	expect "$option is refused" sh -c '"$@"; [ $? -eq 2 ]' sh "$build/attune" tune $option
done

# --- what a reader of the times should know ------------------------------------------------------------------------------
unset NCU_DOES
mkdir nvml
if cc -shared -fPIC -Wl,-soname,libnvidia-ml.so.1 -o nvml/libnvidia-ml.so.1 "$tools/nvml.c" >log 2>&1; then
	rm -rf build/runs
	tune hot --profile off --runner "env LD_LIBRARY_PATH=$build/tests/fakecuda:$dir/nvml $build/attune-run"
	expect "another process on the GPU is a warning" grep -q 'WARNING: 1 other process was on the GPU' log
	expect "lowered clocks are said, with the reason" grep -q 'lowered its clocks meanwhile (temperature (software))' log
	expect "clocks are said" grep -q 'clocks at the end of each process: 1234 to 1234 MHz' log
	expect "the noise too" grep -q 'noise of the kernel against itself: median' log
	for what in '"throttle": *"0x21"' '"sm_mhz": *1234' '"processes": *3' '"aa_p95"' '"lo_us"' '"hi_us"' '"time_lo_us"'; do
		expect "the evidence holds $what" grep -q "$what" hot/blend_best.json
	done
else
	echo "skipped: no C compiler for the stand-in of NVML"
fi
