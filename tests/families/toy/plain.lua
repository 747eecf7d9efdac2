-- One kernel, with expressions of every kind.
return variant {
  source = "plain.cu",
  about = "a thread an element",
  min_cc = 80,
  max_cc = 100,
  flags = { "--use_fast_math" },
  axes = {
    axis { "BLOCK", values = { 64, 128, 256 }, default = 128, strategy = "launch", about = "threads of a CTA" },
    axis { "PATH", values = { "direct", "by-8" }, default = "direct", strategy = "memory", about = "how x is read" },
    axis { "UNROLL", values = { 1, 2 } },
  },
  legal = function(c, p, device)
    if c.BLOCK * p.w > 512 then return false, "more than 512 elements a CTA" end
    if c.BLOCK > device.threads_sm then return false, "more threads than an SM has" end
    return true
  end,
  launch = function(c, p)
    return { entry = "toy_plain", grid = { ceildiv(p.n * p.m, c.BLOCK * p.w), max(p.g, 2) }, block = { c.BLOCK },
             smem = 16 * c.UNROLL, pdl = c.UNROLL == 2 or nil,
             args = { "x", "y", "n", "w", "x_s", "scale", i32(p.n - p.m), i64(p.n * p.m * 4), i32(round_up(p.m, 8)),
                      i32(min(p.n, p.m) % 5), f32(p.scale * 1.5), f32(p.inverse), i32(ceildiv(p.n, p.g)), i64(-p.m) } }
  end,
}
