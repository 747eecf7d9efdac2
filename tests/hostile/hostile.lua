-- The family of the hostile corpus: y[r,:] = softmax(4 * x[r,:]) in float16, small enough that every entry is a few lines,
-- and a softmax so that dropped tails, missing maxima and low precision mean what they mean in attention.
-- tests/hostile/tree puts it into a tree of its own, with one variant for each .cu file; it is tuned for nothing else.
return family {
  name = "hostile",
  about = "softmax of rows, for candidates that try to fool the judge",
  dims = {
    dim { "rows", min = 1, max = 65535, about = "rows" },
    dim { "cols", min = 1, max = 1 << 20, about = "columns" },
  },
  flags = { flag { "dtype", values = { "f16" }, default = "f16", fixed = true, about = "element type" } },
  derived = function(p) return {} end,
  tensors = function(p)
    local function t(name, role)
      return tensor { name, role = role, dtype = p.dtype, shape = { p.rows, p.cols }, stride = { p.cols, 1 }, align = 16 }
    end
    return { t("x", "in"), t("y", "out") }
  end,
  flops = function(p) return 4 * p.rows * p.cols end,
  bytes = function(p) return 4 * p.rows * p.cols end,
  reference = {
    source = "reference.cu",
    launch = function(p, out_dtype)
      return { entry = out_dtype == "f64" and "softmax_reference" or "softmax_plain", grid = { p.rows }, block = { 256 },
               smem = 0, args = { "x", "y", "rows", "cols" } }
    end,
  },
  tolerance = function(p) return { ratio = 2.0, floor = 2e-3, rel_rms = 2e-3 } end,
  problems = { seed = { "rows=1024 cols=1024" } },
  odd = function(p)
    return {
      { rows = 5,  cols = 1000 },  -- a ragged tail
      { rows = 1,  cols = 33 },    -- one short row
      { rows = 3,  cols = 20011 }, -- long rows
      { rows = 77, cols = 1 },
    }
  end,
  baselines = {},
  variants = { %VARIANTS% },
}
