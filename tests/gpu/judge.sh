#!/bin/sh
# Every variant on the GPU, judged right on what it claims: dtypes, masks, head dimensions, grouped heads, ragged lengths,
# both layouts. The default of each variant and random legal candidates of it.
set -u
attune=${ATTUNE_BUILD:?run by tests/run}/attune
random=${ATTUNE_RANDOM:-8}
failed=0
judge() {
	out=$(timeout 300 "$attune" judge --random "$random" "$@" 2>&1)
	status=$?
	last=$(printf '%s\n' "$out" | tail -n 1)
	if [ $status -eq 0 ] && printf '%s' "$last" | grep -q '^[1-9][0-9]* right, 0 rejected.*(live)$'; then
		echo "ok: $last"
	else
		echo "FAIL: judge $*: $last"
		printf '%s\n' "$out" | grep -v '^ok ' | head -n 8 | sed 's/^/      /'
		failed=1
	fi
}
for problem in seed seed-bf16 seed-causal d128 gqa ragged; do
	judge --problem $problem
done
judge --problem "b=2 h=8 hkv=2 sq=333 sk=512 d=128 dtype=bf16 causal=1 layout=bshd"
judge --problem "b=1 h=4 sq=700 sk=300 d=64 dtype=bf16 causal=1"
judge --problem "b=3 h=6 hkv=1 sq=1 sk=4096 d=128 dtype=f16"
exit $failed
