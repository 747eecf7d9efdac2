-- A baseline: a library's product.
return variant {
  source = "library.cu",
  min_cc = 80,
  baseline = true,
  launch = function(c, p)
    return { gemm = { m = p.n, n = p.m, k = 1, batch = 1, alpha = p.scale, beta = 0.0, ta = "N", tb = "N",
                      a = "x", lda = p.n, stride_a = 0, b = "x", ldb = 1, stride_b = 0, c = "y", ldc = p.n,
                      stride_c = 0, ["in"] = "f32", out = "f32" } }
  end,
}
