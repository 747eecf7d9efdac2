#!/bin/sh
# AHEAD and DIAGONAL of hopper: candidates with and without them judged, then timed one after the other on long problems; the
# times are printed and held against nothing. A call that hangs is killed 2 s after what its work explains.
set -u
attune=${ATTUNE_BUILD:?run by tests/run}/attune
runner="$ATTUNE_BUILD/attune-run --limit 2"
failed=0
judge() {
	out=$(timeout 120 "$attune" judge --runner "$runner" "$@" 2>&1)
	status=$?
	last=$(printf '%s\n' "$out" | tail -n 1)
	if [ $status -eq 0 ] && printf '%s' "$last" | grep -q '^[1-9][0-9]* right, 0 rejected, 0 not legal.*(live)$'; then
		echo "ok: $last"
	else
		echo "FAIL: judge $*: $last"
		printf '%s\n' "$out" | grep -v '^ok ' | head -n 8 | sed 's/^/      /'
		failed=1
	fi
}
# timing PROBLEM CANDIDATE...
timing() {
	problem=$1
	shift
	for candidate in "$@"; do
		set -- "$@" --candidate "hopper $candidate"
		shift
	done
	echo "$problem"
	timeout 120 "$attune" trial --runner "$runner" --problem "$problem" "$@" 2>&1 | sed 's/^/      /'
}
# More tiles than CTAS, so that a CTA walks over several; lengths at which a group sees less and more than half a block.
judge --problem "b=12 h=16 hkv=4 sq=300 sk=500 d=128" --candidate "hopper CTAS=132 AHEAD=1" \
	--candidate "hopper CTAS=132 AHEAD=1 EPILOGUE=direct" --candidate "hopper CTAS=132 AHEAD=1 EPILOGUE=direct STAGES=1" \
	--candidate "hopper CTAS=132 AHEAD=1 BLOCK_N=176 EPILOGUE=direct"
judge --problem "b=12 h=16 hkv=4 sq=500 sk=600 d=64 dtype=bf16 causal=1" --candidate "hopper CTAS=132 AHEAD=1 CONSUMERS=3" \
	--candidate "hopper DIAGONAL=half" --candidate "hopper DIAGONAL=half PING_PONG=none BLOCK_N=176" \
	--candidate "hopper DIAGONAL=half CONSUMERS=3 BLOCK_N=112"
timing "b=4 h=16 sq=2048 d=128" "" "CTAS=132" "CTAS=132 AHEAD=1" "CTAS=132 EPILOGUE=direct" "CTAS=132 AHEAD=1 EPILOGUE=direct" \
	"CTAS=132 BLOCK_N=176" "CTAS=132 BLOCK_N=176 AHEAD=1 EPILOGUE=direct"
timing "b=4 h=16 sq=2048 d=64" "CONSUMERS=3" "CONSUMERS=3 CTAS=132 AHEAD=1 EPILOGUE=direct" "CTAS=132 AHEAD=1 EPILOGUE=direct"
timing "b=4 h=16 sq=2048 d=128 causal=1" "PING_PONG=none CUBIC_EVERY=16" "PING_PONG=none CUBIC_EVERY=16 DIAGONAL=half" \
	"SECTION=16" "SECTION=16 DIAGONAL=half"
timing "b=4 h=16 sq=2048 d=64 causal=1" "CONSUMERS=3 PING_PONG=none SECTION=16" "PING_PONG=none SECTION=16 DIAGONAL=half" \
	"CONSUMERS=3 BLOCK_N=112 PING_PONG=none SECTION=16 DIAGONAL=half"
exit $failed
