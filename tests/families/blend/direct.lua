-- direct: one kernel, a thread a column.
return variant {
  source = "direct.cu",
  about = "one pass, a thread a column",
  min_cc = 80,
  axes = {
    axis { "WIDTH", values = { 32, 64, 96, 128 }, default = 64, strategy = "launch", about = "threads of a CTA" },
    axis { "UNROLL", values = { 1, 2, 4 }, default = 1, strategy = "instruction", about = "columns in flight" },
    axis { "ORDER", values = { 0, 1 }, default = 0, strategy = "memory", about = "1: the last row first" },
  },
  legal = function(c, p, device)
    if c.WIDTH == 96 and c.UNROLL == 4 then return false, "refused so that something is" end
    return true
  end,
  launch = function(c, p)
    return { entry = "blend", grid = { ceildiv(p.rows, 8) }, block = { c.WIDTH }, smem = 0,
             args = { "x", "y", "o", "rows", "cols", "x_s", "y_s", "o_s", "s" } }
  end,
}
