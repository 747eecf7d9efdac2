-- Several steps with workspace, a memset, a tensor map and a cluster.
return variant {
  source = "steps.cu",
  min_cc = 90,
  nondeterministic = "adds with atomics",
  fits = function(p, device)
    if p.m < 8 and device.cc_number > 0 then return false, "rows of " .. p.m end
    return true
  end,
  axes = { axis { "TILE", values = { 8, 16 }, default = 16, strategy = "memory", about = "rows of a tile" } },
  launch = function(c, p)
    local tiles = ceildiv(p.n, c.TILE)
    return {
      workspace = round_up(4 * tiles, 256) + 256,
      { memset = { to = workspace(0), value = 0, bytes = 4 * tiles } },
      { entry = "toy_tiles", grid = { round_up(tiles, 2) }, block = { 32, 4 }, cluster = { 2 },
        args = { tensormap { "x", dtype = p.dtype, dims = { p.m, p.n }, strides_bytes = { 4 * p.x_s },
                             box = { 32, c.TILE }, swizzle = "128B", l2 = "256B" }, "y", workspace(256) } },
      { entry = "toy_sum", grid = { 1 }, block = { 128 }, args = { workspace(0), "half" } },
    }
  end,
}
