-- cublas: the baseline that a library user would write: a product, a softmax kernel, a product.
-- cuBLAS thinks in columns: a row-major matrix [rows][columns] is its column-major [columns][rows] with the row pitch as the
-- leading dimension. So the row-major S = Q K^T is computed as S^T = K Q^T, and O = P V as O^T = V^T P^T.
-- Query heads that share a key head are adjacent in b-h-s-d, so their rows are folded into one matrix: h / hkv * sq rows.
-- Scores are kept in float32, weights in the dtype; rows of both are padded to a multiple of 8 so that they are aligned.
return variant {
  source = "cublas.cu",
  about = "cuBLAS hybrid: product, softmax kernel, product",
  min_cc = 80,
  baseline = true,
  axes = {},
  legal = function(c, p, device)
    if p.layout ~= "bhsd" then return false, "contiguous b-h-s-d only" end
    return true
  end,
  launch = function(c, p)
    local batch, rows = p.b * p.hkv, p.h // p.hkv * p.sq
    local pitch = round_up(p.sk, 8)
    local scores = round_up(4 * batch * rows * pitch, 256)
    local weights = round_up(2 * batch * rows * pitch, 256)
    return {
      workspace = scores + weights,
      { gemm = { m = p.sk, n = rows, k = p.d, batch = batch, alpha = 1.0 / math.sqrt(p.d), beta = 0.0, ta = "T", tb = "N",
                 a = "k", lda = p.d, stride_a = p.sk * p.d, b = "q", ldb = p.d, stride_b = rows * p.d,
                 c = workspace(0), ldc = pitch, stride_c = rows * pitch, ["in"] = p.dtype, out = "f32" } },
      { entry = "attn_softmax", grid = { ceildiv(batch * rows, 4) }, block = { 128 }, smem = 0,
        args = { workspace(0), workspace(scores), i64(batch * rows), i32(p.sq), i32(p.sk), i32(pitch) } },
      { gemm = { m = p.d, n = rows, k = p.sk, batch = batch, alpha = 1.0, beta = 0.0, ta = "N", tb = "N",
                 a = "v", lda = p.d, stride_a = p.sk * p.d, b = workspace(scores), ldb = pitch, stride_b = rows * pitch,
                 c = "o", ldc = p.d, stride_c = rows * p.d, ["in"] = p.dtype, out = p.dtype } },
    }
  end,
}
