-- The family of the stand-in driver (tests/fakecuda): o = s * x + (1 - s) * y, row by row, in float16. Small enough to be
-- computed by host functions of the same names and arguments; honest CUDA as well, so it can be tuned on a GPU.
return family {
  name = "blend",
  about = "weighted sum of two matrices",
  dims = {
    dim { "rows", min = 1, max = 65536, about = "rows" },
    dim { "cols", min = 1, max = 65536, default = 64, about = "columns" },
  },
  flags = {
    flag { "dtype", values = { "f16" }, default = "f16", fixed = true, about = "element type" },
    flag { "rows_of_x", values = { "packed", "apart" }, default = "packed", about = "apart: 8 unused elements behind each" },
  },
  derived = function(p)
    return { x_s = i64(p.rows_of_x == "apart" and p.cols + 8 or p.cols), y_s = i64(p.cols), o_s = i64(p.cols), s = f32(0.25) }
  end,
  tensors = function(p)
    local function t(name, role)
      return tensor { name, role = role, dtype = p.dtype, shape = { p.rows, p.cols }, stride = { p[name .. "_s"], 1 },
                      align = 16 }
    end
    return { t("x", "in"), t("y", "in"), t("o", "out") }
  end,
  flops = function(p) return 3 * p.rows * p.cols end,
  bytes = function(p) return 6 * p.rows * p.cols end,
  reference = {
    source = "reference.cu",
    launch = function(p, out_dtype)
      return { entry = out_dtype == "f64" and "blend_reference" or "blend_plain", grid = { ceildiv(p.rows, 8) },
               block = { 64 }, smem = 0, args = { "x", "y", "o", "rows", "cols", "x_s", "y_s", "o_s", "s" } }
    end,
  },
  tolerance = function(p) return { ratio = 2.0, floor = 2e-3, rel_rms = 2e-3 } end,
  problems = { seed = { "rows=32 cols=64", max_abs = 2e-3 } },
  odd = function(p) return { { rows = 33, cols = 48, rows_of_x = "apart" }, { rows = 1, cols = 40 } } end,
  baselines = { "plain" },
  variants = { "direct", "steps" },
}
