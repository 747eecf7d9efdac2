#!/bin/sh
# RESCALE=checked of hopper and mma: judged, also where scores grow from block to block (peaked and wide values), then timed in
# pairs with lazy rescaling; the times are printed and held against nothing. A call that hangs is killed 2 s after what its work
# explains.
set -u
runner="${ATTUNE_BUILD:?run by tests/run}/attune-run --limit 2"
all_right="0 rejected, 0 not legal"
. "${ATTUNE_ROOT:?run by tests/run}/tests/gpu/judged"
four="hopper CONSUMERS=4 BLOCK_N=64 STAGES=4"
judge --problem "b=12 h=16 hkv=4 sq=300 sk=500 d=64" --candidate "hopper" --candidate "$four" \
	--candidate "hopper CONSUMERS=1 BLOCK_N=80 OVERLAP=none MIN_BLOCKS=2" \
	--candidate "hopper CTAS=132 AHEAD=2 Q_PATH=registers BLOCK_N=80" \
	--candidate "hopper CTAS=132 TAIL=shared CONSUMERS=3" \
	--candidate "mma RESCALE=checked EXP_PLACE=block" --candidate "mma RESCALE=checked EXP_PLACE=block EXP_POLY=4 BLOCK_N=32"
judge --problem "b=12 h=16 hkv=4 sq=500 sk=600 d=128 dtype=bf16 causal=1" --candidate "hopper DIAGONAL=half" \
	--candidate "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold" \
	--candidate "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold Q_PATH=registers" \
	--candidate "hopper CTAS=132 AHEAD=2 PING_PONG=none EPILOGUE=direct BLOCK_N=80"
judge --problem "b=12 h=16 sq=300 sk=500 d=96" --candidate "hopper"
judge --problem "b=4 h=16 sq=300 sk=500 d=256" --candidate "hopper BLOCK_N=64"

timing "b=4 h=16 hkv=1 sq=1024 d=64" "$four RESCALE=lazy" "$four" "$four CTAS=132 AHEAD=2 RESCALE=lazy" "$four CTAS=132 AHEAD=2"
timing "b=1 h=16 sq=1000 d=64" "hopper CONSUMERS=1 MIN_BLOCKS=2 RESCALE=lazy" "hopper CONSUMERS=1 MIN_BLOCKS=2"
timing "b=2 h=12 sq=384 d=64" "mma SPLIT_K=2 EXP_PLACE=block RESCALE=lazy" "mma SPLIT_K=2 EXP_PLACE=block RESCALE=checked"
for problem in "b=4 h=32 hkv=8 sq=1024 d=128 dtype=bf16 causal=1" "b=4 h=16 sq=2048 d=128 causal=1"; do
	timing "$problem" "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold RESCALE=lazy" "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold"
done
timing "b=4 h=16 sq=2048 d=192" "hopper BLOCK_N=96 RESCALE=lazy" "hopper BLOCK_N=96"
exit $failed
