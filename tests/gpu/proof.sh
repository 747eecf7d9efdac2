#!/bin/sh
# shellcheck disable=SC2015,SC2012,SC2013  # A && ok || fail: ok cannot fail; the folders made here have plain names
# What is claimed of the judge and of the timing, shown on the GPU by numbers: each piece alone, its duration printed.
#   ATTUNE_PROOFS         which (all): "honest aa seeds kills"
#   ATTUNE_PROOF_RANDOM   honest: so many random legal candidates of mma, none of which may be rejected (500). Most of its time
#                         is compiling: `attune judge --compile-only --variant mma --random 500` beforehand fills build/attn
#   ATTUNE_PROOF_AA       aa: championships of the committed winner against itself (60); at most one in twenty claims a winner
#   ATTUNE_PROOF_SEEDS    seeds: tunes with these seeds (1 to 20), each winner measured again by later processes; at least 19 of
#                         20 within the interval that their headers publish
#   ATTUNE_PROOF_KILLS    kills: kill -9 of a random process of a running tune, at random moments (12)
# With ATTUNE_EVIDENCE=x.json the figures are written to x-proof.json.
set -u
root=${ATTUNE_ROOT:?run by tests/run}
build=${ATTUNE_BUILD:?run by tests/run}
attune=$build/attune
proofs=${ATTUNE_PROOFS:-honest aa seeds kills}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
begun=$(date +%s)
ok() { echo "ok: $1, $(($(date +%s) - begun)) s"; }
fail() {
	echo "FAIL: $1, $(($(date +%s) - begun)) s"
	[ -z "${2:-}" ] || tail -n 5 "$2" | cut -c1-300 | sed 's/^/      /'
	failed=1
}
figures=
seconds() { echo "\"seconds\":$(($(date +%s) - begun))"; }
note() { figures="$figures${figures:+,
 }$1"; }
wanted() { case " $proofs " in *" $1 "*) begun=$(date +%s) ;; *) return 1 ;; esac; }

# A tree of its own, with the cache of compiled candidates that the repository has.
mkdir -p "$work/tree/build" "$root/build/attn"
for name in lua kernels include; do ln -s "$root/$name" "$work/tree/$name"; done
ln -s "$root/build/attn" "$work/tree/build/attn"
cd "$work/tree" || exit 1
journal() { ls build/runs/*/*/trials.jsonl; }
trials() { grep -h '"kind":"trial"' "$@" | sed 's/.*"candidate":"\([^"]*\)".*/\1/'; }

# A tune that is over soon, without the tools that take longer than it.
short() { timeout 200 "$attune" tune --root . --python false --trials 12 --finalists 2 --profile off --sanitizer off "$@"; }

# --- honest candidates ----------------------------------------------------------------------------------------------
if wanted honest; then
	random=${ATTUNE_PROOF_RANDOM:-500}
	timeout 580 "$attune" judge --json --root . --problem seed --variant mma --random "$random" >"$work/honest" 2>"$work/log"
	verdicts=$(sed 's/.*"verdict":"\([a-z]*\)".*/\1/' "$work/honest" | sort | uniq -c |
		awk '{ printf "%s%s %s", n++ ? ", " : "", $1, $2 }')
	bad=$(grep -c '"verdict":"\(wrong\|nondeterministic\)"' "$work/honest")
	right=$(grep -c '"verdict":"ok"' "$work/honest")
	[ "$bad" -eq 0 ] && [ "$right" -ge "$random" ] &&
		ok "$bad of $(wc -l <"$work/honest") honest candidates of mma rejected as wrong or nondeterministic ($verdicts)" ||
		fail "honest candidates of mma: $verdicts of $random" "$work/log"
	[ "$bad" -eq 0 ] || grep '"verdict":"\(wrong\|nondeterministic\)"' "$work/honest" | head -n 5 | cut -c1-1500 | sed 's/^/      /'
	note "\"honest\":{\"asked\":$random,\"right\":$right,\"wrong_or_nondeterministic\":$bad,\"verdicts\":\"$verdicts\",
  $(seconds)}"
fi

# --- the code against itself ----------------------------------------------------------------------------------------
if wanted aa; then
	n=${ATTUNE_PROOF_AA:-60}
	timeout 580 "$attune" measure "$root/tuned/attn_best.h" --root . --aa "$n" >"$work/aa" 2>"$work/log"
	status=$?
	claimed=$(sed -n 's/^\([0-9]*\) of '"$n"' championships.*/\1/p' "$work/aa")
	[ $status -eq 0 ] && [ -n "$claimed" ] && [ $((claimed * 20)) -le "$n" ] && ok "$(cat "$work/aa")" || {
		cat "$work/aa" "$work/log" >"$work/both"
		fail "the code against itself: status $status" "$work/both"
	}
	note "\"aa\":{\"championships\":$n,\"claimed\":${claimed:-null},$(seconds)}"
fi

# --- winners measured again -----------------------------------------------------------------------------------------
if wanted seeds; then
	seeds=${ATTUNE_PROOF_SEEDS:-1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20}
	tuned=0 within=0 rows=
	for seed in $seeds; do
		if ! short --seed "$seed" --out "$work/seed$seed" >"$work/log" 2>&1; then
			fail "the tune with seed $seed" "$work/log"
			continue
		fi
		tuned=$((tuned + 1))
	done
	# Afterwards, so that time passes between.
	for seed in $seeds; do
		[ -e "$work/seed$seed/attn_best.h" ] || continue
		timeout 100 "$attune" measure "$work/seed$seed/attn_best.h" --root . >"$work/measured" 2>"$work/log" &&
			within=$((within + 1))
		grep -q '^published' "$work/measured" || fail "the winner of seed $seed cannot be measured" "$work/log"
		sed "s/^/      seed $seed: /" "$work/measured"
		rows="$rows${rows:+,}\"$seed: $(tr '\n' ';' <"$work/measured" | sed 's/"/ /g')\""
	done
	[ "$tuned" -gt 0 ] && [ $((within * 20)) -ge $((tuned * 19)) ] &&
		ok "$within of $tuned winners within their published interval" ||
		fail "$within of $tuned winners within their published interval"
	note "\"seeds\":{\"tuned\":$tuned,\"within\":$within,$(seconds),\"each\":[$rows]}"
fi

# --- kill -9 of random processes --------------------------------------------------------------------------------------
descendants() { # of a process, itself included
	echo "$1"
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do descendants "$child"; done
}
random() { od -An -N2 -tu2 /dev/urandom | tr -d ' '; }
killed="--root . --python false --trials 12 --finalists 2 --profile off --sanitizer off --seed 77 --out $work/killed"
if wanted kills; then
	left=${ATTUNE_PROOF_KILLS:-12}
	hit=0
	rm -rf build/runs
	while [ "$left" -gt 0 ]; do
		# shellcheck disable=SC2086  # a list of words
		(exec "$attune" tune $killed) >"$work/log" 2>&1 &
		victim=$!
		sleep "$(awk -v r="$(random)" 'BEGIN { printf "%.3f", r % 7000 / 1000 }')"
		descendants $victim >"$work/pids"
		line=$(($(random) % $(wc -l <"$work/pids") + 1))
		kill -9 "$(sed -n "${line}p" "$work/pids")" 2>/dev/null && hit=$((hit + 1))
		wait $victim 2>/dev/null
		left=$((left - 1))
	done
	short --seed 77 --out "$work/killed" >"$work/log" 2>&1 && ok "$hit kills on the GPU: goes on to the end" ||
		fail "$hit kills: does not end" "$work/log"
	for j in $(journal); do
		"$attune" record "$j" "$work/x.jsonl.gz" >"$work/out" 2>&1 || fail "$j is damaged" "$work/out"
		[ -z "$(trials "$j" | sort | uniq -d)" ] || fail "$j: trials were run twice"
	done
	done_trials=$(for j in $(journal); do trials "$j"; done | sort -u | wc -l)
	[ "$done_trials" -ge 12 ] && ok "$done_trials trials, none run twice, journals whole" || fail "$done_trials of 12 trials"
	note "\"kills\":{\"hit\":$hit,\"trials\":$done_trials,$(seconds)}"
fi
[ -z "${ATTUNE_EVIDENCE:-}" ] || printf '{"what":"proofs","command":"tests/gpu/proof.sh","device":"%s","figures":{\n %s}}\n' \
	"$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)" "$figures" >"${ATTUNE_EVIDENCE%.json}-proof.json"
exit $failed
