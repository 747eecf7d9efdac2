#!/bin/sh
# The variant for few query rows on the GPU: judged right on what it claims (grouped heads, one head, several tiles of rows,
# causal, ragged and few keys, both layouts), every size of cluster, keys shared by clusters, both ways of copying and of multiplying
# among the candidates.
set -u
random=${ATTUNE_RANDOM:-6}
. "${ATTUNE_ROOT:?run by tests/run}/tests/gpu/judged"
drawn() { judge --variant decode --random "$random" --problem "$1"; }

# Small problems, so that sizes of clusters are free.
set --
for split in 1 2 4 8 16; do
	set -- "$@" --candidate "decode SPLIT=$split GROUPS=4 STAGES=2 BLOCK_N=16 COPY=tma" \
		--candidate "decode SPLIT=$split GROUPS=2 STAGES=3 BLOCK_N=32 COPY=async DEAL=turns"
done
for shares in "SPLIT=1 PARTS=4" "SPLIT=2 PARTS=2" "SPLIT=1 PARTS=2"; do
	set -- "$@" --candidate "decode $shares BLOCK_N=16" --candidate "decode $shares BLOCK_N=16 COPY=async STAGES=3"
done
judge --problem "b=1 h=8 hkv=2 sq=1 sk=600 d=128" "$@"
for problem in "b=1 h=64 hkv=1 sq=1 sk=600 d=128" "b=1 h=32 hkv=2 sq=4 sk=700 d=64 causal=1 dtype=bf16 layout=bshd" \
	"b=1 h=64 hkv=1 sq=1 sk=300 d=192" "b=1 h=48 hkv=1 sq=3 sk=1100 d=128 causal=1"; do
	set --
	for shares in "SPLIT=1" "SPLIT=4" "SPLIT=8" "SPLIT=2 PARTS=2"; do
		set -- "$@" --candidate "decode PRODUCTS=wgmma BLOCK_M=64 WARP_M=16 BLOCK_N=64 GROUPS=1 STAGES=2 $shares" \
			--candidate "decode PRODUCTS=wgmma BLOCK_M=64 WARP_M=16 BLOCK_N=64 GROUPS=2 STAGES=1 $shares" \
			--candidate "decode PRODUCTS=wgmma BLOCK_M=64 WARP_M=16 BLOCK_N=128 GROUPS=2 STAGES=1 DEAL=turns $shares"
	done
	judge --problem "$problem" "$@"
done
drawn "b=2 h=4 hkv=4 sq=1 sk=129 d=64 dtype=bf16 layout=bshd"
drawn "b=1 h=8 hkv=1 sq=4 sk=1000 d=128 causal=1"
drawn "b=1 h=16 hkv=2 sq=8 sk=777 d=64 causal=1 dtype=bf16 layout=bshd"
drawn "b=1 h=6 hkv=2 sq=5 sk=3 d=128 causal=1"
drawn "b=1 h=2 hkv=1 sq=1 sk=131072 d=128 dtype=bf16"
drawn "b=1 h=64 hkv=2 sq=9 sk=900 d=64 causal=1"
drawn decode4
drawn decode1long
judge --problem "b=4 h=16 hkv=2 sq=4 sk=512 d=128" --arch compute_80 --variant decode --random 2 \
	--candidate "decode SPLIT=1 PARTS=4 COPY=async BLOCK_N=16"
judge --problem "b=4 h=16 hkv=2 sq=4 sk=512 d=64 causal=1" --arch compute_89 --variant decode --random 2
exit $failed
