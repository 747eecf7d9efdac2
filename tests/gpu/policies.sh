#!/bin/sh
# Search policies compared live on the seed problem: each with the same budget from several seeds, without baselines and
# championships, sharing one cubin cache; then the winners of all runs against each other in one championship, so that the
# table's last column is measured in pairs. Takes minutes of GPU, so it does nothing unless SEEDS is set.
#   SEEDS="1 2 3"   seeds to run        POLICIES="default plan45 random genetic"   TRIALS=45
#   WORK=FOLDER     keeps the runs (build/policies): the same command goes on, other SEEDS and POLICIES join what is there
#   FINAL=1         also the common championship and the table (default: when all runs of the command are there)
#   EVIDENCE=FILE   JSON of it           OPTIONS="--record FILE"   further options of attune tune
# A trial takes about 0.18 s of an H200 with its cubin in the cache, so a run of 45 about 8 s and 40 runs 6 minutes, beside
# what is compiled meanwhile; the championship of 40 winners about half a minute.
set -u
build=${ATTUNE_BUILD:?run by tests/run}
if [ -z "${SEEDS:-}" ]; then
	echo "skipped: the comparison of policies; set SEEDS=\"1 2 3\" to run it"
	exit 0
fi
policies=${POLICIES:-default plan45 random genetic}
trials=${TRIALS:-45}
root=$PWD
work=${WORK:-$build/policies}
mkdir -p "$work/tree/build" "$work/runs"
for name in lua kernels include tuned; do ln -sfn "$root/$name" "$work/tree/$name"; done
mkdir -p "$root/build/attn" && ln -sfn "$root/build/attn" "$work/tree/build/attn"
failed=0

# shellcheck disable=SC2086  # OPTIONS is a list of words
tune() { (cd "$work/tree" && "$build/attune" tune --root . --baselines none ${OPTIONS:-} "$@"); }
journal() { find "$work/tree/build/runs" -name trials.jsonl | head -n 1; }

for seed in $SEEDS; do
	for policy in $policies; do
		run=$work/runs/$policy-$seed.jsonl
		[ -e "$run" ] && continue
		case $policy in default) file=lua/policy.lua ;; *) file=lua/policies/$policy.lua ;; esac
		start=$(date +%s%N)
		# What another run left unfinished would be a second journal.
		[ "$(cat "$work/current" 2>/dev/null)" = "$policy-$seed" ] || rm -rf "$work/tree/build/runs"
		echo "$policy-$seed" >"$work/current"
		if tune --policy "$file" --seed "$seed" --trials "$trials" --finalists 0 >"$work/log" 2>&1; then
			cp "$(journal)" "$run.new" && mv "$run.new" "$run"
			rm -rf "$work/tree/build/runs"
			ms=$((($(date +%s%N) - start) / 1000000))
			echo "ok: $policy, seed $seed: $ms ms, $(tail -n 1 "$work/log" | sed 's/^ *//' | cut -c1-60)"
		else
			echo "FAIL: $policy, seed $seed: $(tail -n 1 "$work/log")"
			failed=1
		fi
	done
done
if [ $failed -ne 0 ] || [ "${FINAL:-1}" != 1 ]; then exit $failed; fi

field='function text(line, name,   at, s) {
	at = index(line, "\"" name "\":\"")
	s = at ? substr(line, at + length(name) + 4) : ""
	return at ? substr(s, 1, index(s, "\"") - 1) : ""
}
function number(line, name,   at) {
	at = index(line, "\"" name "\":")
	return at ? substr(line, at + length(name) + 3) + 0 : 0
}'
# One line a trial that took one of the budget: policy seed number time candidate; time "-" where it was not right.
for run in "$work"/runs/*.jsonl; do
	name=$(basename "$run" .jsonl)
	awk -v policy="${name%-*}" -v seed="${name##*-}" "$field"'
	/"kind":"trial"/ && !/"same_as":/ {
		time = text($0, "verdict") == "ok" ? number($0, "time_us") : "-"
		print policy "\t" seed "\t" number($0, "n") "\t" time "\t" text($0, "candidate")
	}' "$run" | sort -t "$(printf '\t')" -k 3n
done >"$work/trials.tsv"
awk -F '\t' '$4 != "-" {
	k = $1 "\t" $2
	if (!(k in best) || $4 < best[k]) { best[k] = $4; who[k] = $5 }
} END { for (k in best) print best[k] "\t" k "\t" who[k] }' "$work/trials.tsv" | sort -n >"$work/ranked.tsv"
cut -f 2- "$work/ranked.tsv" | sort >"$work/winners.tsv"
cut -f 4 "$work/ranked.tsv" | awk '!seen[$0]++' >"$work/list"

# policy_of FILE: a policy that tries the candidates of a list, and nothing else.
policy_of() {
	echo "lookahead = 63"
	echo "local list = {"
	awk '{
		printf "  { variant = \"%s\"", $1
		for (i = 2; i <= NF; i++) {
			split($i, p, "=")
			printf (p[2] ~ /^-?[0-9]+$/ ? ", %s = %s" : ", %s = \"%s\""), p[1], p[2]
		}
		print " },"
	}' "$1"
	echo "}"
	echo "function seed() return list end"
}

# All winners once more, and in one championship. One holds 32, so with more of them the first is in each, and times are
# relative to it.
most=${CHAMPIONSHIP:-32}
rm -f "$work"/paired.*
part=0
while :; do
	{ head -n 1 "$work/list"; tail -n +2 "$work/list" | tail -n +$((part * (most - 1) + 1)) | head -n $((most - 1)); } >"$work/part"
	n=$(wc -l <"$work/part")
	[ "$part" -eq 0 ] || [ "$n" -gt 1 ] || break
	policy_of "$work/part" >"$work/winners.lua"
	rm -rf "$work/tree/build/runs"
	echo final >"$work/current"
	if ! tune --policy "$work/winners.lua" --trials "$n" --finalists "$n" --out "$work/out" >"$work/log" 2>&1; then
		echo "FAIL: the championship of $n winners: $(tail -n 1 "$work/log")"
		exit 1
	fi
	cp "$(journal)" "$work/final.jsonl"
	awk "$field"'
	/"kind":"trial"/ && /"same_as":/ { same[text($0, "candidate")] = text($0, "same_as") }
	/"kind":"champion"/ {
		while ((at = index($0, "\"candidate\":\"")) > 0) {
			$0 = substr($0, at)
			time[text($0, "candidate")] = number($0, "time_us")
			$0 = substr($0, 14)
		}
	}
	END {
		for (c in same) if (same[c] in time) time[c] = time[same[c]]
		for (c in time) print c "\t" time[c]
	}' "$work/final.jsonl" >"$work/paired.part"
	# The first one of the list, in the first championship and in this one.
	awk -F '\t' -v anchor="$(head -n 1 "$work/list")" '
	FILENAME ~ /tsv$/ { had[$1] = $2; next }
	{ time[$1] = $2 }
	END {
		scale = anchor in had && time[anchor] > 0 ? had[anchor] / time[anchor] : 1
		for (c in time) if (!(c in had)) print c "\t" time[c] * scale
	}' "$(touch "$work/paired.tsv"; echo "$work/paired.tsv")" "$work/paired.part" >"$work/paired.more"
	cat "$work/paired.more" >>"$work/paired.tsv"
	part=$((part + 1))
done

mode=$(sed -n '1s/.*"mode":"\([a-z]*\)".*/\1/p' "$work/final.jsonl")
[ "$mode" = live ] || echo "skipped: nothing was timed now, the run is a $mode"
device=$(sed -n '1s/.*"device":{[^}]*"name":"\([^"]*\)".*/\1/p' "$work/final.jsonl")
awk -v trials="$trials" -v mode="$mode" -v device="$device" -v evidence="${EVIDENCE:-}" -f "$root/tests/gpu/policies.awk" \
	"$work/paired.tsv" "$work/winners.tsv" "$work/trials.tsv"
paired=$(wc -l <"$work/paired.tsv")
if [ "$paired" -eq 0 ]; then
	echo "FAIL: no winner was measured"
	exit 1
fi
echo "ok: $(wc -l <"$work/winners.tsv") runs compared, $paired winners measured in pairs"
