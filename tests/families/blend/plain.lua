-- plain: a baseline: the first kernel as anybody would write it.
return variant {
  baseline = true,
  source = "plain.cu",
  about = "the plain kernel",
  min_cc = 80,
  axes = {},
  legal = function(c, p, device) return true end,
  launch = function(c, p)
    return { entry = "blend", grid = { ceildiv(p.rows, 8) }, block = { 32 }, smem = 0,
             args = { "x", "y", "o", "rows", "cols", "x_s", "y_s", "o_s", "s" } }
  end,
}
