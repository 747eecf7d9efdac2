-- Never ends its list of problems.
-- verdict: refused
-- says: endless-odd
return family {
  name = "endless-odd", dims = { dim { "n", min = 1, max = 100 } }, flags = {}, derived = function(p) return {} end,
  tensors = function(p)
    return { tensor { "x", role = "out", dtype = "f32", shape = { p.n }, stride = { 1 }, align = 16 } } end,
  flops = function(p) return 1 end, bytes = function(p) return 1 end,
  tolerance = function(p)
    return { ratio = 2.0, floor = 1e-3, rel_rms = 1e-3 } end,
  reference = { source = "r.cu",
    launch = function(p) return { entry = "r", grid = { 1 }, block = { 32 }, args = { "x" } } end },
  problems = { seed = { "n=1" } },
  odd = function(p)
    local t = {}
    while true do t[#t + 1] = { n = 2 } end
  end,
  baselines = {}, variants = { "v" },
}
