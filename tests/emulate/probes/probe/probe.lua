-- A family for tests of the emulator: o[i] = x[i] + x[i xor 64], and ways to get it wrong (pair.lua).
return family {
  name = "probe",
  about = "sums of pairs",
  dims = { dim { "n", min = 128, max = 1 << 20, default = 256, about = "elements, a multiple of 128" } },
  flags = {},
  valid = function(p)
    if p.n % 128 ~= 0 then return false, "n is a multiple of 128" end
    return true
  end,
  derived = function(p) return {} end,
  tensors = function(p)
    return { tensor { "x", role = "in", dtype = "f32", shape = { p.n }, stride = { 1 }, align = 16 },
             tensor { "o", role = "out", dtype = "f32", shape = { p.n }, stride = { 1 }, align = 16 } }
  end,
  flops = function(p) return p.n end,
  bytes = function(p) return 8 * p.n end,
  reference = {
    source = "reference.cu",
    launch = function(p, dtype)
      return { entry = dtype == "f64" and "probe_reference" or "probe_plain", grid = { p.n // 64 }, block = { 64 },
               args = { "x", "o" } }
    end,
  },
  tolerance = function(p) return { ratio = 2.0, floor = 1e-6, rel_rms = 1e-6 } end,
  problems = { small = { "n=256" } },
  odd = function(p) return { { n = 256 }, { n = 1024 } } end,
  baselines = {},
  variants = { "pair" },
}
