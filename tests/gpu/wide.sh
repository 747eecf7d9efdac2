#!/bin/sh
# Head dimensions 96, 192 and 256: every variant and random candidates of it judged on ragged, causal, grouped problems of both
# dtypes; 131072 rows of queries, and of keys; then first times of a few candidates of each dimension, which are printed and
# held against nothing. A call that hangs is killed 2 s after what its work explains.
# ATTUNE_RANDOM: how many random candidates (2). ATTUNE_TIMES=0: no times. ATTUNE_WIDE_FAR=1: also keys whose elements are
# more than 2^31 apart; its 8.7 GB of inputs are made by one CPU, anew for each check, which takes a while.
set -u
random=${ATTUNE_RANDOM:-2}
runner="${ATTUNE_BUILD:?run by tests/run}/attune-run --limit 2"
. "${ATTUNE_ROOT:?run by tests/run}/tests/gpu/judged"
for d in 96 192 256; do
	judge --random "$random" --seed $d --problem "b=1 h=4 hkv=2 sq=333 sk=520 d=$d"
	judge --random "$random" --seed $d --problem "b=2 h=3 sq=300 sk=700 d=$d dtype=bf16 causal=1 layout=bshd"
done
judge --variant mma --variant hopper --problem "b=1 h=2 sq=131072 sk=100 d=64"
judge --variant mma --variant hopper --problem "b=1 h=2 sq=100 sk=131072 d=128 causal=1"
if [ -n "${ATTUNE_WIDE_FAR:-}" ]; then
	judge --candidate "mma BLOCK_N=16" --candidate "hopper BLOCK_N=64" \
		--problem "b=1 h=65 sq=16 sk=131072 d=256 layout=bshd"
else
	echo "skipped: keys 2^31 elements apart (ATTUNE_WIDE_FAR=1)"
fi

timing "b=4 h=16 sq=2048 d=96" hopper "hopper PING_PONG=none" "hopper CONSUMERS=3 BLOCK_N=96" \
	"mma BLOCK_M=128 SPLIT_K=1 STAGES=2"
timing "b=4 h=16 sq=2048 d=192" "hopper BLOCK_N=96" "hopper BLOCK_N=112" "hopper BLOCK_N=80" "hopper BLOCK_N=128 STAGES=1" \
	"mma BLOCK_M=128 BLOCK_N=32 SPLIT_K=1 STAGES=2 Q_PATH=reload"
for causal in 0 1; do
	timing "b=4 h=16 sq=2048 d=256 causal=$causal" "hopper BLOCK_N=80" "hopper BLOCK_N=64" "hopper BLOCK_N=80 PING_PONG=none" \
		"hopper BLOCK_N=96 STAGES=1 OVERLAP=none" "mma BLOCK_M=128 BLOCK_N=32 SPLIT_K=1 Q_PATH=reload"
done
exit $failed
