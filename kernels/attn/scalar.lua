-- scalar: one thread a query row.
return variant {
  source = "scalar.cu",
  about = "one thread a query row, online softmax, no sharing",
  min_cc = 80,
  axes = {
    axis { "ROWS", values = { 32, 64, 128 }, default = 32, strategy = "launch",
           about = "query rows, and threads, of a CTA" },
    axis { "UNROLL", values = { 1, 2, 4 }, default = 1, strategy = "instruction",
           about = "keys of the loop that are unrolled" },
  },
  fits = function(p)
    if p.b * p.h * p.sq * p.sk > 1 << 25 then return false, "a rung of the ladder, too slow here to be worth a trial" end
    return true
  end,
  legal = function(c, p, device)
    if c.ROWS > p.sq and c.ROWS > 32 then return false, "more rows than the problem has" end
    if 2 * c.ROWS * (p.d + 8) > 48 * 1024 then return false, "rows of Q in shared memory of fixed size" end
    return true
  end,
  launch = function(c, p)
    return {
      entry = "attn_scalar", grid = { (p.d > 128 and 2 or 1) * ceildiv(p.sq, c.ROWS), p.h, p.b }, block = { c.ROWS }, smem = 0,
      args = { "q", "k", "v", "o", i32(ceildiv(p.h, p.hkv)), i32(p.sq), i32(p.sk), "q_sb", "q_sh", "q_ss",
               "k_sb", "k_sh", "k_ss", "v_sb", "v_sh", "v_ss", "o_sb", "o_sh", "o_ss", "scale" },
    }
  end,
}
