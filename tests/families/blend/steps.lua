-- steps: a memset and two kernels, by way of a workspace.
return variant {
  source = "steps.cu",
  about = "gather into a workspace, then finish",
  min_cc = 80,
  axes = {
    axis { "WIDTH", values = { 32, 64, 128 }, default = 64, strategy = "launch", about = "threads of a CTA" },
  },
  legal = function(c, p, device) return true end,
  launch = function(c, p)
    return {
      workspace = 4 * p.rows * p.cols,
      { memset = { to = workspace(0), value = 0, bytes = 4 * p.rows * p.cols } },
      { entry = "blend_gather", grid = { ceildiv(p.rows, 8) }, block = { c.WIDTH }, smem = 0,
        args = { "x", workspace(0), "rows", "cols", "x_s", "s" } },
      { entry = "blend_finish", grid = { ceildiv(p.rows, 8) }, block = { c.WIDTH }, smem = 0,
        args = { workspace(0), "y", "o", "rows", "cols", "y_s", "o_s", "s" } },
    }
  end,
}
