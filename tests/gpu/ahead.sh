#!/bin/sh
# AHEAD, TILE_ORDER=fold, TAIL and DIAGONAL of hopper: candidates with and without them judged, then timed one after the other on long
# problems; the times are printed and held against nothing. A call that hangs is killed 2 s after what its work explains.
set -u
runner="${ATTUNE_BUILD:?run by tests/run}/attune-run --limit 2"
all_right="0 rejected, 0 not legal"
. "${ATTUNE_ROOT:?run by tests/run}/tests/gpu/judged"
# More tiles than CTAS, so that a CTA walks over several; lengths at which a group sees less and more than half a block.
judge --problem "b=12 h=16 hkv=4 sq=300 sk=500 d=128" --candidate "hopper CTAS=132 AHEAD=1" \
	--candidate "hopper CTAS=132 AHEAD=1 EPILOGUE=direct" --candidate "hopper CTAS=132 AHEAD=1 EPILOGUE=direct STAGES=1" \
	--candidate "hopper CTAS=132 AHEAD=1 BLOCK_N=176 EPILOGUE=direct" --candidate "hopper CTAS=132 AHEAD=2" \
	--candidate "hopper CTAS=132 AHEAD=2 EPILOGUE=direct PING_PONG=none" \
	--candidate "hopper CTAS=132 AHEAD=2 TAIL=shared STAGES=1" --candidate "hopper CTAS=132 AHEAD=2 CONSUMERS=3 BLOCK_N=80"
judge --problem "b=12 h=16 hkv=4 sq=500 sk=600 d=64 dtype=bf16 causal=1" --candidate "hopper CTAS=132 AHEAD=1 CONSUMERS=3" \
	--candidate "hopper DIAGONAL=half" --candidate "hopper DIAGONAL=half PING_PONG=none BLOCK_N=176" \
	--candidate "hopper DIAGONAL=half CONSUMERS=3 BLOCK_N=112" --candidate "hopper CTAS=132 AHEAD=2 CONSUMERS=3" \
	--candidate "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold" --candidate "hopper TILE_ORDER=fold"
# An odd number of row tiles, some of which see no key.
judge --problem "b=12 h=16 hkv=4 sq=600 sk=300 d=128 causal=1" --candidate "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold" \
	--candidate "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold EPILOGUE=direct BLOCK_N=64 SECTION=8" \
	--candidate "hopper CTAS=132 AHEAD=2" --candidate "hopper CTAS=132 AHEAD=1 TILE_ORDER=up" --candidate "hopper TILE_ORDER=fold"
# Fewer tiles than CTAs, which share their keys; causal ones, of which some see none of a share, and groups that see less than others.
for problem in "h=2 hkv=1 sq=200 sk=9000 d=128 causal=1" "h=3 sq=1000 sk=1500 d=64 dtype=bf16 causal=1" "h=3 sq=100 sk=5000 d=64"; do
	judge --problem "$problem" --candidate "hopper CTAS=132 TAIL=shared CONSUMERS=1 AHEAD=2" \
		--candidate "hopper CTAS=132 TAIL=shared AHEAD=1 EPILOGUE=direct" --candidate "hopper CTAS=132 TAIL=shared OVERLAP=none" \
		--candidate "hopper CTAS=132 TAIL=shared AHEAD=2 BLOCK_N=96 EPILOGUE=direct" \
		--candidate "hopper CTAS=264 MIN_BLOCKS=2 TAIL=shared CONSUMERS=1 BLOCK_N=64"
done
timing "b=4 h=16 sq=2048 d=128" "hopper" "hopper CTAS=132" "hopper CTAS=132 AHEAD=1" "hopper CTAS=132 EPILOGUE=direct" \
	"hopper CTAS=132 AHEAD=1 EPILOGUE=direct" "hopper CTAS=132 BLOCK_N=176" \
	"hopper CTAS=132 BLOCK_N=176 AHEAD=1 EPILOGUE=direct" "hopper CTAS=132 AHEAD=2" "hopper CTAS=132 AHEAD=2 EPILOGUE=direct"
timing "b=4 h=16 sq=2048 d=64" "hopper CONSUMERS=3" "hopper CONSUMERS=3 CTAS=132 AHEAD=1 EPILOGUE=direct" \
	"hopper CTAS=132 AHEAD=1 EPILOGUE=direct" "hopper CONSUMERS=3 CTAS=132 AHEAD=2 EPILOGUE=direct" \
	"hopper CTAS=132 AHEAD=2 EPILOGUE=direct"
timing "b=4 h=16 sq=2048 d=128 causal=1" "hopper PING_PONG=none CUBIC_EVERY=16" \
	"hopper PING_PONG=none CUBIC_EVERY=16 DIAGONAL=half" "hopper SECTION=16" "hopper SECTION=16 DIAGONAL=half" \
	"hopper TILE_ORDER=fold" "hopper CTAS=132 AHEAD=2 SECTION=16" "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold"
timing "b=4 h=16 sq=2048 d=64 causal=1" "hopper CONSUMERS=3 PING_PONG=none SECTION=16" \
	"hopper PING_PONG=none SECTION=16 DIAGONAL=half" "hopper CONSUMERS=3 BLOCK_N=112 PING_PONG=none SECTION=16 DIAGONAL=half" \
	"hopper CTAS=132 AHEAD=2 SECTION=16" "hopper CTAS=132 AHEAD=2 TILE_ORDER=fold" \
	"hopper CONSUMERS=3 CTAS=132 AHEAD=2 TILE_ORDER=fold"
exit $failed
