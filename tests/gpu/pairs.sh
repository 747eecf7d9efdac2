#!/bin/sh
# RESCALE=checked of hopper and mma, DIAGONAL=half in a walk and MULTICAST=2 of hopper: judged, also where scores grow from block to
# block, then timed in pairs, off and on; the times are printed and held against nothing. A call that hangs is killed 2 s after
# what its work explains.
set -u
runner="${ATTUNE_BUILD:?run by tests/run}/attune-run --limit 2"
all_right="0 rejected, 0 not legal"
. "${ATTUNE_ROOT:?run by tests/run}/tests/gpu/judged"
judge --problem "b=12 h=16 hkv=4 sq=300 sk=500 d=64" --candidate "hopper RESCALE=checked" \
	--candidate "hopper RESCALE=checked CONSUMERS=4 BLOCK_N=64 STAGES=4" \
	--candidate "hopper RESCALE=checked CONSUMERS=1 BLOCK_N=80 OVERLAP=none MIN_BLOCKS=2" \
	--candidate "hopper RESCALE=checked CTAS=132 AHEAD=2 Q_PATH=registers BLOCK_N=80" \
	--candidate "hopper RESCALE=checked CTAS=132 TAIL=shared CONSUMERS=3" --candidate "hopper MULTICAST=2 CONSUMERS=1" \
	--candidate "hopper MULTICAST=2 CTAS=132 AHEAD=2 EPILOGUE=direct" \
	--candidate "mma RESCALE=checked EXP_PLACE=block" --candidate "mma RESCALE=checked EXP_PLACE=block EXP_POLY=4 BLOCK_N=32"
judge --problem "b=12 h=16 hkv=4 sq=500 sk=600 d=128 dtype=bf16 causal=1" --candidate "hopper RESCALE=checked DIAGONAL=half" \
	--candidate "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold DIAGONAL=half" \
	--candidate "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold DIAGONAL=half RESCALE=checked Q_PATH=registers" \
	--candidate "hopper CTAS=132 AHEAD=2 DIAGONAL=half PING_PONG=none EPILOGUE=direct BLOCK_N=80"
judge --problem "b=12 h=16 sq=300 sk=500 d=96" --candidate "hopper RESCALE=checked" --candidate "hopper MULTICAST=2"

for problem in "b=4 h=16 hkv=1 sq=1024 d=64" "b=4 h=16 sq=2048 d=64"; do
	timing "$problem" "hopper CONSUMERS=4 BLOCK_N=64 STAGES=4" "hopper CONSUMERS=4 BLOCK_N=64 STAGES=4 RESCALE=checked" \
		"hopper CONSUMERS=4 BLOCK_N=64 STAGES=4 RESCALE=checked CUBIC_EVERY=16" \
		"hopper CONSUMERS=4 BLOCK_N=64 STAGES=4 RESCALE=checked PING_PONG=none" \
		"hopper CONSUMERS=4 BLOCK_N=64 STAGES=4 CTAS=132 AHEAD=2 RESCALE=checked" \
		"hopper CONSUMERS=3 CTAS=132 TAIL=shared AHEAD=1" "hopper CONSUMERS=3 CTAS=132 TAIL=shared AHEAD=1 RESCALE=checked"
done
timing "b=1 h=16 sq=1000 d=64" "hopper CONSUMERS=1 MIN_BLOCKS=2" "hopper CONSUMERS=1 MIN_BLOCKS=2 RESCALE=checked"
timing "b=2 h=12 sq=384 d=64" "mma SPLIT_K=2" "mma SPLIT_K=2 EXP_PLACE=block RESCALE=lazy" "mma SPLIT_K=2 EXP_PLACE=block RESCALE=checked"
timing "b=4 h=16 sq=2048 d=128" "hopper CTAS=132 AHEAD=2 Q_PATH=registers" \
	"hopper CTAS=132 AHEAD=2 Q_PATH=registers RESCALE=checked" "hopper CTAS=132 AHEAD=2 Q_PATH=registers MULTICAST=2" \
	"hopper CTAS=132 AHEAD=2 MULTICAST=2" "hopper MULTICAST=2" "hopper"
for problem in "b=4 h=32 hkv=8 sq=1024 d=128 dtype=bf16 causal=1" "b=4 h=16 sq=2048 d=128 causal=1"; do
	timing "$problem" "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold" "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold RESCALE=checked" \
		"hopper CTAS=132 AHEAD=2 TILE_ORDER=fold DIAGONAL=half" \
		"hopper CTAS=132 AHEAD=2 TILE_ORDER=fold DIAGONAL=half RESCALE=checked" \
		"hopper CTAS=132 AHEAD=2 TILE_ORDER=fold DIAGONAL=half RESCALE=checked Q_PATH=registers"
done
timing "b=4 h=16 sq=2048 d=64 causal=1" "hopper CONSUMERS=4 BLOCK_N=64 STAGES=4 CTAS=132 AHEAD=2 TILE_ORDER=fold SECTION=4" \
	"hopper CONSUMERS=4 BLOCK_N=64 STAGES=4 CTAS=132 AHEAD=2 TILE_ORDER=fold SECTION=4 RESCALE=checked"
timing "b=4 h=16 sq=2048 d=192" "hopper BLOCK_N=96" "hopper BLOCK_N=96 RESCALE=checked" "hopper BLOCK_N=96 MULTICAST=2"
exit $failed
