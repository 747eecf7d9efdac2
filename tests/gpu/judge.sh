#!/bin/sh
# Every variant on the GPU, judged right on what it claims: dtypes, masks, head dimensions, grouped heads, ragged lengths,
# both layouts. The default of each variant and random legal candidates of it.
set -u
random=${ATTUNE_RANDOM:-8}
. "${ATTUNE_ROOT:?run by tests/run}/tests/gpu/judged"
for problem in seed seed-bf16 seed-causal d128 gqa ragged; do
	judge --random "$random" --problem $problem
done
judge --random "$random" --problem "b=2 h=8 hkv=2 sq=333 sk=512 d=128 dtype=bf16 causal=1 layout=bshd"
judge --random "$random" --problem "b=1 h=4 sq=700 sk=300 d=64 dtype=bf16 causal=1"
judge --random "$random" --problem "b=3 h=6 hkv=1 sq=1 sk=4096 d=128 dtype=f16"
exit $failed
