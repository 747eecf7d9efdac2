-- warp: one warp a query row.
return variant {
  source = "warp.cu",
  about = "one warp a query row, scores by warp reductions",
  min_cc = 80,
  axes = {
    axis { "WARPS", values = { 1, 2, 4, 8, 16 }, default = 4, strategy = "launch",
           about = "query rows, and warps, of a CTA" },
    axis { "KEYS", values = { 1, 2, 4, 8, 16 }, default = 4, strategy = "instruction",
           about = "keys of a step, whose reductions overlap" },
  },
  fits = function(p)
    if p.b * p.h * p.sq * p.sk > 1 << 25 then return false, "a rung of the ladder, too slow here to be worth a trial" end
    return true
  end,
  legal = function(c, p, device) return true end,
  launch = function(c, p)
    return {
      entry = "attn_warp", grid = { ceildiv(p.sq, c.WARPS), p.h, p.b }, block = { 32 * c.WARPS }, smem = 0,
      args = { "q", "k", "v", "o", i32(ceildiv(p.h, p.hkv)), i32(p.sq), i32(p.sk), "q_sb", "q_sh", "q_ss",
               "k_sb", "k_sh", "k_ss", "v_sb", "v_sh", "v_ss", "o_sb", "o_sh", "o_ss", "scale" },
    }
  end,
}
