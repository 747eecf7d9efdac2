#!/bin/sh
# Kernels on the emulator (tests/emulate/README.md): defaults and random candidates are right on small odd problems, and bugs
# that are planted into copies of the kernels, or stand in kernels made for it, are found and named. No GPU, no nvcc.
# usage: tests/emulate.sh     with ATTUNE_BUILD and ATTUNE_ROOT, as tests/run sets them
set -u
build=${ATTUNE_BUILD:?run by tests/run}
root=${ATTUNE_ROOT:?run by tests/run}
emulate=$build/tests/emulate/emulate
if [ ! -x "$emulate" ]; then
	echo "skipped: the emulator is not built (it needs a C++17 compiler, and no sanitizers)"
	exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$root" || exit 1
status=0

good() { echo "ok: $1"; }
bad() {
	echo "FAIL: $1"
	status=1
}

# What candidates are compiled for, in `many`: more tiles than CTAs, without which none whose CTAs walk over whole tiles is legal, or
# fewer, and keys enough for CTAs to share.
walkers="h=400 sq=64" few_tiles="h=4 sq=64 sk=2000"
many=$walkers

run() { "$emulate" --work "$build/tests/emulate/work" --share tests/emulate "$@" 2>&1; }

# --- right candidates are found right --------------------------------------------------------------------------------
# Ragged and grouped; one row; fewer keys than rows; many keys. Of every variant of the family at least one candidate must
# have run.
are_right() {
	seed=$1 random=$2
	shift 2
	log=$(run --problem "$many $*" --on "b=1 h=2 hkv=1 sq=77 sk=197 layout=bshd" --on "h=3 hkv=1 sq=1 sk=129" \
		--on "h=1 sq=130 sk=65" --on "h=1 sq=33 sk=301" --random "$random" --seed "$seed" --first "$seed" --schedules 2)
	result=$?
	for variant in scalar warp mma hopper decode; do echo "$log" | grep -q "^right *$variant " || result=1; done
	if [ $result -eq 0 ]; then good "$*: $(echo "$log" | grep -c '^right') candidates right"; else bad "$*: $log"; fi
}

are_right 1 2 d=64 dtype=f16 causal=0
are_right 2 1 d=64 dtype=f16 causal=1
are_right 3 1 d=64 dtype=bf16 causal=0
are_right 4 1 d=64 dtype=bf16 causal=1
are_right 5 1 d=128 dtype=f16 causal=0
are_right 6 1 d=128 dtype=f16 causal=1
are_right 7 1 d=128 dtype=bf16 causal=0
are_right 8 1 d=128 dtype=bf16 causal=1
are_right 9 0 d=96 dtype=f16 causal=1
are_right 10 1 d=192 dtype=bf16 causal=0
are_right 11 1 d=256 dtype=f16 causal=0

# all_right WHAT PROBLEM ON SCHEDULES CANDIDATE...
all_right() {
	what=$1 problem=$2 on=$3 schedules=$4
	shift 4
	count=$#
	for candidate; do
		set -- "$@" --candidate "$candidate"
		shift
	done
	log=$(run --problem "$many d=64 $problem" --on "$on" --schedules "$schedules" "$@")
	if [ "$(echo "$log" | grep -c '^right')" -eq $count ]; then good "$what: $count candidates right"; else bad "$what: $log"; fi
}
# Up to four tiles and shares a CTA, so that each of two slots of Q is filled twice.
all_right "more tiles than CTAs" "" "h=364 hkv=2 sq=1 sk=65" 1 "hopper CTAS=132 EPILOGUE=direct BLOCK_N=80" \
	"hopper CTAS=132 CONSUMERS=1 BLOCK_N=64 OVERLAP=none" "hopper CTAS=132 TAIL=shared CONSUMERS=3 BLOCK_N=64" \
	"hopper CTAS=132 AHEAD=2 BLOCK_N=64" "hopper CTAS=132 AHEAD=2 EPILOGUE=direct PING_PONG=none BLOCK_N=80" \
	"hopper CTAS=132 AHEAD=2 TAIL=shared CONSUMERS=1 BLOCK_N=64 STAGES=1"
# Two or three row tiles, of which the first, or half of it, sees no key; with pairs of them, more pairs than CTAs.
all_right "more tiles than CTAs, causal" causal=1 "h=67 hkv=1 sq=129 sk=65" 1 \
	"hopper CTAS=132 AHEAD=2 TILE_ORDER=fold CONSUMERS=1 BLOCK_N=64" "hopper CTAS=132 AHEAD=2 BLOCK_N=64 EPILOGUE=direct" \
	"hopper CTAS=132 AHEAD=1 BLOCK_N=64 TILE_ORDER=up"
# Fewer tiles than CTAs, which share their keys: some see none of a share, groups see less than others, and rows none at all; then
# more of them, as where a kernel is called with what it was not tuned for.
many=$few_tiles
for on in "h=3 hkv=1 sq=70 sk=400" "h=1 sq=130 sk=65" "h=67 hkv=1 sq=129 sk=130"; do
	all_right "tiles that CTAs share, causal, $on" causal=1 "$on" 1 "hopper CTAS=132 TAIL=shared CONSUMERS=1 BLOCK_N=64" \
		"hopper CTAS=132 TAIL=shared BLOCK_N=64 AHEAD=2" "hopper CTAS=132 TAIL=shared CONSUMERS=3 BLOCK_N=64 EPILOGUE=direct" \
		"hopper CTAS=132 TAIL=shared BLOCK_N=80 AHEAD=1 EPILOGUE=direct OVERLAP=none"
done
many=$walkers
# Three row tiles, of which the first sees no key, then of which all see some.
for keys in 150 350; do
	all_right "half of the row tiles down, half up, $keys keys" causal=1 "h=1 sq=300 sk=$keys" 2 "hopper TILE_ORDER=fold" \
		"hopper CTAS=132 AHEAD=2 TILE_ORDER=fold BLOCK_N=64"
done

# Two groups with the same rows: odd numbers of blocks, and rows of which the mask leaves one group nothing.
for causal in 0 1; do
	for axes in "CONSUMERS=4 BLOCK_N=64 STAGES=2" "CONSUMERS=2 BLOCK_N=64 STAGES=4 OVERLAP=none PING_PONG=none"; do
		log=$(run --problem "h=2 sq=64 d=64 causal=$causal" --on "h=2 hkv=1 sq=77 sk=197 layout=bshd" --on "h=1 sq=130 sk=65" \
			--on "h=1 sq=33 sk=301" --schedules 3 --candidate "hopper SPLIT_K=2 EPILOGUE=direct $axes")
		case $log in
		right*) good "keys split over two groups, causal=$causal: $axes" ;;
		*) bad "keys split over two groups, causal=$causal: $axes: $log" ;;
		esac
	done
done

# Maxima that are not looked for: values whose scores grow from block to block by more than weights may, so that some are computed
# once more, by each warp alone; with every head dimension's panels, and rows that see no key of the first blocks.
values=--all-values
for problem in "d=64" "d=64 dtype=bf16 causal=1" "d=96" "d=128 causal=1"; do
	log=$(run --problem "$many $problem" --on "h=2 hkv=1 sq=77 sk=397" --on "h=1 sq=130 sk=257" $values --schedules 1 \
		--candidate "hopper RESCALE=checked BLOCK_N=64" --candidate "hopper RESCALE=checked BLOCK_N=80 OVERLAP=none" \
		--candidate "hopper RESCALE=checked BLOCK_N=64 Q_PATH=registers CTAS=132 AHEAD=2" \
		--candidate "hopper RESCALE=checked BLOCK_N=80 CUBIC_EVERY=4 CONSUMERS=1" \
		--candidate "mma RESCALE=checked EXP_PLACE=block BLOCK_M=64 SPLIT_K=2 BLOCK_N=16 EXP_POLY=4" \
		--candidate "mma RESCALE=checked EXP_PLACE=block BLOCK_M=32 SPLIT_K=2 BLOCK_N=16 STAGES=2 MASK=peel")
	if [ "$(echo "$log" | grep -c '^right')" -eq 6 ]; then good "maxima that are not looked for, $problem"; else bad "$log"; fi
done

# --- planted bugs are found --------------------------------------------------------------------------------------------
mkdir "$work/planted"
cp -r kernels include "$work/planted"
ln -s "$root/lua" "$work/planted/lua"

# planted WHAT FILE SED CANDIDATE PATTERN [ON [CAUSAL]]: the report must say PATTERN.
planted() {
	cp "kernels/attn/$2" "$work/planted/kernels/attn/$2"
	sed -i "$3" "$work/planted/kernels/attn/$2"
	if cmp -s "kernels/attn/$2" "$work/planted/kernels/attn/$2"; then
		bad "$1: the sed command changes nothing"
		return
	fi
	log=$(run --root "$work/planted" --problem "$many d=${width:-64} causal=${7:-0}" --on "${6:-h=2 hkv=1 sq=77 sk=197}" --schedules 8 \
		${values:-} --candidate "$4")
	cp "kernels/attn/$2" "$work/planted/kernels/attn/$2"
	if echo "$log" | grep -qE "^wrong .*$5"; then good "planted: $1"; else bad "planted: $1: $log"; fi
}

checked="hopper RESCALE=checked BLOCK_N=64"
planted "weights that were too large" hopper_consume.cuh '/if (again) {/,/}/s/weigh_again(w);//' "$checked" 'right is|nan' \
	"h=1 sq=77 sk=397"
planted "scores computed again from another row" hopper_consume.cuh 's/int row = 16 \* t + lane % 8/int row = 16 * t + (lane + 1) % 8/' \
	"$checked" 'right is|nan' "h=1 sq=77 sk=397"
planted "a slot of K free while it may be needed" hopper_consume.cuh 's/release(K_FREE, k, !again)/release(K_FREE, k)/' "$checked" \
	'right is|nan|mbarrier' "h=1 sq=77 sk=397"
width=128
planted "a cubic beyond its range" mma_step.cuh 's/ex2_cubic_f32<CHECKED>/ex2_cubic_f32/' \
	"mma RESCALE=checked EXP_PLACE=block BLOCK_M=64 SPLIT_K=2 BLOCK_N=16 EXP_POLY=4" 'right is' "h=2 hkv=1 sq=77 sk=397"
width=64
planted "weights that nobody checks" mma_step.cuh 's/wrong |= .*/;/' "mma RESCALE=checked EXP_PLACE=block BLOCK_N=16" 'inf|nan|right is' \
	"h=2 hkv=1 sq=77 sk=397"
values=
several="mma BLOCK_M=64 SPLIT_K=1 STAGES=2 BLOCK_N=32"
joint="mma BLOCK_M=64 SPLIT_K=2 STAGES=2 BLOCK_N=16 WAIT=joint Q_PATH=reload"
alone="hopper OVERLAP=none PING_PONG=none STAGES=1"
walking="hopper CTAS=132 BLOCK_N=64 PING_PONG=none"
tiles="h=140 hkv=1 sq=5 sk=65"
planted "no wait for V" mma.cu \
	'/if constexpr (axis_is(WAIT_SPLIT)) {/,/}/{/^\t\t\tcp_async_wait_group<2 \* STAGES - 2>();/d}' \
	mma 'nan'
planted "a wait for one group too few" mma.cu \
	's/cp_async_wait_group<STAGES - 1>/cp_async_wait_group<STAGES>/' "$joint" 'nan'
planted "a slot refilled while others read it" mma.cu '/multiply_pv/,/copy_k/{/group_sync(group);/d}' "$joint" 'nan'
planted "no __syncthreads behind the copy of Q" mma.cu \
	'/cp_async_wait_group<(axis_is/,/}/{/__syncthreads/d}' "$several" 'nan'
planted "no __syncthreads before the merge" mma.cu '/write_part/,/merge_rows/{/__syncthreads/d}' mma 'o\['
planted "partial results over a ring still read" mma.cu '/group_sync(g.group);/d' mma 'o\['
planted "a swizzle in one place only" mma_layout.cuh \
	's/tile_at(row + r, chunk), from/tile_at(row + r, chunk ^ 1), from/' mma 'right is'
planted "one tile of keys left out" mma.cu \
	's/g.count = min(total - g.first, each);/& g.count -= g.first == 0 \&\& total > 3;/' mma 'right is'
planted "a row too many stored" mma_merge.cuh \
	's/row < rows_left/row <= rows_left/' mma 'st.global.* of a buffer of|off by|right is'
planted "no mask" mma.cu 's/if (key(i) + BLOCK_N > unmasked) mask/if (0) mask/' mma 'right is'
planted "a barrier of too many threads" mma_layout.cuh \
	's/bar_sync(1 + group, GROUP_THREADS)/bar_sync(1 + group, GROUP_THREADS + 32)/' \
	mma 'deadlock: barrier 1 has 64 of 96 threads'
planted "half a warp at a barrier" mma_layout.cuh \
	's/^__device__ .* void group_sync(int group) {/&\n\tif (threadIdx.x \& 16) return;/' \
	"$several" 'nan|deadlock|a thread ends'
planted "a slot of K filled without waiting for it" hopper_produce.cuh \
	'/mbarrier_wait(base + K_FREE/d' hopper 'mbarrier.arrive' "h=1 sq=33 sk=401"
planted "K read before it has come" hopper_consume.cuh '/mbarrier_wait(base + K_FULL/d' hopper 'nan'
planted "Q read before it has come" hopper.cu '/mbarrier_wait(base + Q_FULL/d' hopper 'nan|under way'
planted "Q overwritten by the next tile's" hopper_produce.cuh \
	'/mbarrier_wait(base + Q_FREE/d' "$walking" 'nan|mbarrier|right is' "$tiles"
planted "no wait for the sums of S" hopper_consume.cuh \
	's/wgmma_wait_group<1>();/wgmma_wait_group<2>();/' "hopper RESCALE=lazy" 'right is|nan|touched'
planted "no wait for the sums of O" hopper_consume.cuh \
	'/void await_o/,/}/{/wgmma_wait_group<0>/d}' hopper 'nan|touched|written to'
planted "weights packed while they are multiplied" hopper_consume.cuh \
	'/^\t\tkeep_above(w.sum/s/$/\n\t\tpack(w);/' \
	hopper 'registers of A'
planted "no wgmma.fence" hopper_consume.cuh '/void outputs/,/}/{/wgmma_fence/d}' "$alone" 'no wgmma.fence'
planted "slots of V never freed" hopper_consume.cuh \
	's/free_slot(V_FREE, v);/v.advance();/' "$alone" 'deadlock: .* waits for parity 0 of the mbarrier'
planted "an arrival too many expected" hopper.cu \
	's/\(base + K_FREE + 8 \* i, 4 \* ROW_GROUPS\))/\1 + 1)/' \
	"$alone" 'deadlock'
planted "more bytes expected than come" hopper_produce.cuh \
	's/(barrier, PANELS \* ROWS \* PITCH)/(barrier, PANELS * ROWS * PITCH + 16)/' hopper 'deadlock'
planted "fewer bytes expected than come" hopper_produce.cuh \
	's/(barrier, PANELS \* ROWS \* PITCH)/(barrier, PANELS * ROWS * PITCH - 16)/' hopper '16 bytes more'
planted "the first turn never passed" hopper.cu \
	's/if (group == GROUPS - 1) c.pass_turn();/;/' hopper 'deadlock: barrier 1 has 128 of 256'
planted "a wrong swizzle of O" hopper_store.cuh 's/chunk ^ (line & (PITCH/chunk ^ (line \& (PITCH \/ 2/' hopper 'right is'
planted "an end under a copy from shared memory" hopper_store.cuh \
	'/cp_async_bulk_wait_group_read/d' hopper 'has not waited'
planted "a descriptor of V half as far" hopper_consume.cuh 's/(i \* 16 \* PITCH >> 4)/(i * 8 * PITCH >> 4)/' hopper 'right is'
planted "the wrong parity" hopper_produce.cuh 's/at.parity ^ 1/at.parity/' hopper 'deadlock'
planted "registers that nobody gives back" hopper_shape.cuh \
	's/SHARES ? 32 : 24/64/;s/SHARE > 240 ? 240 : SHARE;/SHARE + 24;/' \
	hopper 'setmaxnreg.inc'
shared="hopper CTAS=132 TAIL=shared CONSUMERS=1 BLOCK_N=64 EPILOGUE=direct"
planted "two shares of a CTA in one place" hopper_shape.cuh 's/2 \* blockIdx.x + at;/2 * blockIdx.x;/' "$shared" 'right is|nan' \
	"h=232 hkv=2 sq=3 sk=130"
planted "a share that is not added" hopper_merge.cuh 's/first < end && first < d.first/first + 1 < end \&\& first < d.first/' "$shared" \
	'right is|nan' "h=3 hkv=1 sq=70 sk=400"
many=$few_tiles
planted "a group's keys that end before its share begins" hopper_consume.cuh 's/max(first, min(end, seen))/min(end, seen)/' \
	"hopper CTAS=132 TAIL=shared CONSUMERS=3 BLOCK_N=64" 'deadlock|nan|right is|mbarrier' "h=1 sq=192 sk=400" 1
planted "a share that ends before it begins" hopper_shape.cuh 's/max(w.first, min(w.end, \(.*\)));/min(w.end, \1);/' \
	"hopper CTAS=132 TAIL=shared BLOCK_N=64 AHEAD=1" 'deadlock|nan|right is' "h=1 sq=300 sk=400" 1
many=$walkers
chained="hopper CTAS=132 AHEAD=2 CONSUMERS=1 BLOCK_N=64"
two="hopper CTAS=132 AHEAD=2 EPILOGUE=direct BLOCK_N=80"
pairs="hopper CTAS=132 AHEAD=2 TILE_ORDER=fold CONSUMERS=1 BLOCK_N=64"
three_each="h=300 hkv=1 sq=1 sk=65"
uneven="h=2 hkv=1 sq=129 sk=65"
planted "a slot of Q filled again without waiting for it" hopper_produce.cuh \
	'/void tell/,/^}/{/Q_FREE/d}' "$two" 'mbarrier.arrive|nan|deadlock' "$three_each"
planted "a slot's work told before it is free" hopper_produce.cuh \
	'/void tell/,/^}/{/Q_FREE/{h;d};/slot->first/G}' "$two" 'nan|deadlock|right is' "$three_each"
planted "a slot of Q free while it is in use" hopper_chain.cuh \
	's/let_go(c, before, any)/let_go(c, q, true)/' "$chained" 'nan|right is' "$three_each"
planted "a slot of Q free before its tile has been read" hopper_chain.cuh \
	'/cp_async_bulk_wait_group_read/d' "$chained" 'nan|right is|has not waited' "$three_each"
planted "a tile stored where the next belongs" hopper_chain.cuh \
	's/read_work(done, q);/q_place next = q; next.advance(); read_work(done, next);/' "$chained" 'nan|right is' "$three_each"
planted "no wait for a tile's last outputs" hopper_chain.cuh \
	's/wgmma_wait_group<1>/wgmma_wait_group<2>/' "$two" 'nan|touched|right is' "$three_each"
planted "a tile's sums go on in the next" hopper_chain.cuh \
	'/void turn_over/,/^}/{/clear(w)/d}' "$two" 'right is' "$three_each"
planted "first scores that do not wait for K" hopper_chain.cuh \
	'/mbarrier_wait(c.base + K_FULL/d' "$two" 'nan|mbarrier.arrive' "$three_each"
planted "first scores of a tile that sees no key" hopper_chain.cuh \
	's/ && mine > job.first//' "$pairs" 'deadlock' "$uneven" 1
planted "the end of a walk never told" hopper_produce.cuh \
	'/mbarrier_arrive(base + Q_FULL/d' "$chained" 'deadlock' "$three_each"
planted "no place for the row tile in the middle" hopper_shape.cuh \
	'/bool find_of_pair/,/places/s/ceildiv(row_tiles, 2)/row_tiles \/ 2/' "$pairs" 'nan' "$uneven" 1
planted "a walk that ends with a row tile in the middle" hopper_shape.cuh \
	's/last == (u32)t.row) continue/last == (u32)t.row) return false/' "$pairs" 'nan' "$tiles" 1
planted "a row tile twice, another never" hopper_shape.cuh \
	's/: row - half;/: row;/' "hopper TILE_ORDER=fold" 'nan' "h=1 sq=300 sk=150" 1
planted "a round backwards that begins one too high" hopper_shape.cuh \
	's/gridDim.x - 1 - index/gridDim.x - index/' "$walking" 'nan' "$tiles" 1
split="hopper SPLIT_K=2 EPILOGUE=direct BLOCK_N=64 STAGES=2"
planted "no barrier between two groups' results" hopper_split.cuh '/bar_sync(GROUP_BARRIER/d' "$split" 'nan|right is'
planted "a turn that the group with fewer blocks does not take" hopper.cu \
	'/for the block that only others have/d' "$split" 'deadlock' "h=1 sq=33 sk=301"
planted "slots of the other group freed" hopper_consume.cuh 's/at.advance(SPLIT_K);/at.advance(1);/' "$split" 'deadlock|nan|arrive'
planted "a CTA that does not wait for what others send" decode_merge.cuh \
	'/barrier_cluster_arrive_release/,/barrier_cluster_wait_acquire/d' decode 'has ended'
planted "keys that a group leaves out" decode.cu 's/i < count; i++) {/i < count - 1; i++) {/' decode 'under way'
planted "weights that are not turned over" decode_mma.cuh 's/return movmatrix_trans_b16(\(.*\));/return \1;/' decode 'right is'

# Keys shared by clusters: parts without keys, several tiles of rows, rows that see no key of a part.
many="h=8 hkv=2 sq=3 sk=600"
few="b=2 h=6 hkv=2 sq=3 sk=301"
for causal in 0 1; do
	all_right "keys shared by clusters, causal=$causal" "causal=$causal" "$few" 2 \
		"decode SPLIT=1 PARTS=4 COPY=async" "decode SPLIT=2 PARTS=2" "decode SPLIT=2 PARTS=2 DEAL=turns BLOCK_N=16"
done
parts="decode SPLIT=2 PARTS=2 BLOCK_N=16"
planted "two clusters' sums in one place" decode.cu 's/first \* PARTS + rank \/ SPLIT/first * PARTS/' "$parts" 'nan|right is' "$few"
planted "every cluster with the first one's keys" decode.cu 's/g.deal(rank)/g.deal(rank % SPLIT)/' "$parts" 'right is' "$few"
planted "a cluster that does not tell its maximum" decode_merge.cuh 's/if (column == 0) \*(float2/if (column == 1) *(float2/' "$parts" \
	'nan' "$few"
planted "results of another head" decode.cu 's/head = (of - batch \* key_heads)/head = (of - batch)/' "$parts" 'of a buffer' "$few"

# Groups of four warps that multiply together: rows of one to four of them, several tiles of rows, groups and CTAs without keys.
many="h=64 hkv=1 sq=1 sk=600"
for causal in 0 1; do
	for on in "b=2 h=24 hkv=2 sq=3 sk=301" "h=20 hkv=1 sq=1 sk=197 layout=bshd" "h=12 hkv=1 sq=5 sk=70" "h=48 hkv=1 sq=3 sk=301"; do
		all_right "rows of warp groups, causal=$causal, $on" "causal=$causal" "$on" 2 \
			"decode PRODUCTS=wgmma BLOCK_M=64 WARP_M=16 BLOCK_N=64 SPLIT=2 GROUPS=2" \
			"decode PRODUCTS=wgmma BLOCK_M=64 WARP_M=16 BLOCK_N=128 SPLIT=1 GROUPS=2 STAGES=1 DEAL=turns" \
			"decode PRODUCTS=wgmma BLOCK_M=64 WARP_M=16 BLOCK_N=64 SPLIT=2 PARTS=2 GROUPS=1"
	done
done
group="decode PRODUCTS=wgmma BLOCK_M=64 WARP_M=16 BLOCK_N=64 SPLIT=2 GROUPS=2 STAGES=1"
planted "no wait for a warp group's scores" decode_wgmma.cuh '/void multiply_qk/,/^}/{/wgmma_wait_group/d}' "$group" \
	'right is|nan|touched' "$few"
planted "no wait for a warp group's outputs" decode_wgmma.cuh '/void multiply_pv/,/^}/{/wgmma_wait_group/d}' "$group" \
	'right is|nan|touched' "$few"
planted "weights multiplied without a fence" decode_wgmma.cuh '/void multiply_pv/,/^}/{/wgmma_fence/d}' "$group" 'no wgmma.fence' "$few"
planted "a warp group's keys half as far" decode_wgmma.cuh 's/i % 4 \* 32/i % 4 * 16/' "$group" 'right is' "$few"
planted "a warp group's slot filled while others read it" decode.cu '/multiply_pv/,/copy_v/{/group_sync(group);/d}' "$group" \
	'nan|right is|under way' "h=20 hkv=1 sq=1 sk=597"
planted "rows of the next warp" decode_wgmma.cuh 's/int at = row + lane/int at = row + 8 + lane/' "$group" 'nan|right is' "$few"
many=$walkers

# --- kernels made for it (probes/): clusters, shared memory of others, single threads of a warp ------------------------
mkdir "$work/probes"
ln -s "$root/lua" "$root/include" "$work/probes/"
ln -s "$root/tests/emulate/probes" "$work/probes/kernels"

# probe BUG PATTERN
probe() {
	log=$(run --root "$work/probes" --kernel probe --problem small --limit "${3:-60}" --schedules 4 --candidate "pair BUG=$1")
	if echo "$log" | grep -qE "$2"; then good "probe: $1"; else bad "probe: $1: $log"; fi
}

probe none '^right'
probe early '^wrong .*(is nan|under way when its CTA has ended)'
probe unannounced '^wrong .*has not begun'
probe leaving '^wrong .*the CTA whose shared memory this is has ended'
probe diverged '^wrong .*deadlock: .*lanes 0000ffff.* waits for __syncwarp .*lanes ffff0000.* waits for a shuffle'
probe mask '^wrong .*not in its own mask 0000ffff'
probe behind '^wrong .*behind its 528 bytes of shared memory'
probe outside '^wrong .*of 528 bytes of shared memory'
probe beside '^wrong .*(illegal or misaligned memory access|memory beside o)'
probe misaligned '^wrong .*260 in shared memory is not a multiple of 8'
probe twice '^wrong .*mbarrier.arrive: 1 arrivals where 0 of 1'
probe unknown '^wrong .*does not know the instruction tcgen05'
probe endless '^wrong .*not done after 3 s' 3
probe half '^wrong .*deadlock: .*the barrier of the cluster'
probe covered '^wrong .*was written over'
probe unwritten '^wrong .*o\[255\] is .*nan'
exit $status
