-- A family for tests: small, and with one of everything that a family may have. Nothing of it is ever compiled.
return family {
  name = "toy",
  about = "scaled copy of a matrix",
  dims = {
    dim { "n", min = 1, max = 1 << 20, about = "rows" },
    dim { "m", min = 1, max = 1 << 20, default = "n", about = "columns" },
    dim { "g", min = 1, max = 64, default = 1, divides = "n", about = "groups of rows" },
    dim { "w", values = { 1, 2, 4 }, default = 2, fixed = true, about = "elements a thread" },
  },
  flags = {
    flag { "dtype", values = { "f16", "f32" }, default = "f32", fixed = true, about = "element type" },
    flag { "wide", values = { 0, 1 }, default = 0, fixed = true },
    flag { "order", values = { "rows", "columns" }, default = "rows", about = "which elements are contiguous" },
  },
  valid = function(p)
    if p.n * p.m > 1 << 30 then return false, "more than 2^30 elements" end
    return true
  end,
  derived = function(p)
    local across = p.order == "columns"
    return { x_s = i64(across and p.n or p.m), scale = f32(1.0 / p.w), inverse = f32(1.0 / p.m), half = i32(p.n // 2) }
  end,
  tensors = function(p)
    local stride = p.order == "columns" and { 1, p.x_s } or { p.x_s, 1 }
    return { tensor { "x", role = "in", dtype = p.dtype, shape = { p.n, p.m }, stride = stride, align = 16 },
             tensor { "y", role = "out", dtype = p.dtype, shape = { p.n, p.m }, stride = stride } }
  end,
  flops = function(p) return p.n * p.m end,
  bytes = function(p) return 8 * p.n * p.m end,
  reference = {
    source = "reference.cu",
    launch = function(p, dtype)
      return { entry = dtype == "f64" and "toy_reference" or "toy_plain", grid = { p.n }, block = { 32 },
               args = { "x", "y", workspace(0), "n", "m", "x_s", "scale" }, workspace = 8 * p.n }
    end,
  },
  tolerance = function() return { ratio = 2, floor = 1e-3, rel_rms = 1e-3 } end,
  problems = { seed = { "n=64 m=96", max_abs = 2e-3 }, tall = { "m=4 n=4096" } },
  odd = function(p) return { { n = 1, m = 7, g = 1, order = "columns" }, { n = p.n + 3, g = 1 } } end,
  baselines = { "library", other = { program = "other.py", needs = "python3" } },
  variants = { "plain", "steps" },
}
