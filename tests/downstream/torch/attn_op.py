# attn_op: a PyTorch operator from a tuned header, torch.ops.attune.attention, through ctypes, against SDPA.
# usage: attn_op.py LIBRARY   (attn_op.c, compiled with the header: cc -shared -fPIC attn_op.c -lcuda -lpthread)
# Exit status: 0 agrees with SDPA, 1 does not, 77 no torch or no device that an entry runs on.
import ctypes
import sys

try:
    import torch
    from torch import library as operators
except ImportError:
    print("no torch: skipped")
    sys.exit(77)
if not torch.cuda.is_available():
    print("no CUDA device: skipped (torch finds none)")
    sys.exit(77)

library = ctypes.CDLL(sys.argv[1])
NOT_SERVED = (209, 801)  # CUDA_ERROR_NO_BINARY_FOR_GPU, CUDA_ERROR_NOT_SUPPORTED
INVALID_VALUE = 1
OUT_OF_MEMORY = 2


def launch(q, k, v, causal):
    """q, k, v: (batch, heads, rows, d), any strides with contiguous rows. Raises NotImplementedError where no entry serves."""
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    sizes = (ctypes.c_int * 8)(q.shape[0], q.shape[1], k.shape[1], q.shape[2], k.shape[2], q.shape[3],
                               {torch.float16: 1, torch.bfloat16: 2}[q.dtype], int(causal))
    strides = (ctypes.c_longlong * 12)(*(s for t in (q, k, v, out) for s in t.stride()[:3]))
    need, workspace = ctypes.c_size_t(0), None
    with torch.cuda.device(q.device):
        stream = torch.cuda.current_stream().cuda_stream
        for _ in range(2):
            r = library.attn_op(ctypes.c_void_p(q.data_ptr()), ctypes.c_void_p(k.data_ptr()), ctypes.c_void_p(v.data_ptr()),
                                ctypes.c_void_p(out.data_ptr()), sizes, strides, ctypes.c_float(0.0),
                                ctypes.c_void_p(workspace.data_ptr() if workspace is not None else None),
                                ctypes.c_size_t(need.value), ctypes.c_void_p(stream), ctypes.byref(need))
            if r != OUT_OF_MEMORY or workspace is not None:
                break
            workspace = torch.empty(need.value, dtype=torch.uint8, device=q.device)
    # A head dimension that the header's family does not know is an invalid value.
    if r in NOT_SERVED or (r == INVALID_VALUE and q.shape[3] not in (64, 128)):
        raise NotImplementedError("no entry of the header serves this call")
    if r != 0:
        raise RuntimeError(f"attn_op: CUDA error {r}")
    return out


attune = operators.Library("attune", "DEF")
attune.define("attention(Tensor q, Tensor k, Tensor v, bool causal) -> Tensor")
attune.impl("attention", launch, "CUDA")

torch.manual_seed(5)
served = wrong = 0
for d in (64, 96, 128, 192, 256):
    for dtype, limit in ((torch.float16, 2e-3), (torch.bfloat16, 1.6e-2)):
        for causal in (False, True):
            for b, h, hkv, sq, sk, bshd in ((1, 8, 8, 512, 512, False), (2, 8, 2, 333, 333, True), (4, 16, 16, 1, 1000, False)):
                if causal and sq != sk:
                    continue  # SDPA aligns such masks to the top left
                shape = lambda heads, rows: (b, rows, heads, d) if bshd else (b, heads, rows, d)
                q, k, v = (torch.randn(shape(n, m), device="cuda").to(dtype) for n, m in ((h, sq), (hkv, sk), (hkv, sk)))
                if bshd:
                    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
                try:
                    got = torch.ops.attune.attention(q, k, v, causal)
                except NotImplementedError:
                    continue
                wide = [t.float().repeat_interleave(h // t.shape[1], 1) for t in (q, k, v)]
                want = torch.nn.functional.scaled_dot_product_attention(*wide, is_causal=causal)
                error = ((got.float() - want).abs() / (1 + want.abs())).max().item()
                ok = error <= limit
                served += 1
                wrong += not ok
                print(f"b={b} h={h} hkv={hkv} sq={sq} sk={sk} d={d} {dtype} causal={int(causal)} {'bshd' if bshd else 'bhsd'}: "
                      f"differs from SDPA by {error:.2g}: {'right' if ok else 'WRONG'}")
if not served:
    print("no entry runs on this device: skipped")
    sys.exit(77)
# Inside a CUDA graph of torch's own.
with torch.no_grad():
    try:
        q, k, v = (torch.randn(1, 8, 256, 64, device="cuda", dtype=torch.float16) for _ in range(3))
        eager = torch.ops.attune.attention(q, k, v, False)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = torch.ops.attune.attention(q, k, v, False)
        graph.replay()
        torch.cuda.synchronize()
        same = torch.equal(eager, captured)
        wrong += not same
        print(f"captured in a CUDA graph: {'equal' if same else 'WRONG'}")
    except NotImplementedError:
        pass
sys.exit(1 if wrong else 0)
