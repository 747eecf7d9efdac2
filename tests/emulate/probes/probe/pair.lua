-- pair: see pair.cu; BUG says what is wrong with it.
return variant {
  source = "pair.cu",
  about = "two CTAs exchange what each has copied",
  min_cc = 90,
  axes = {
    axis { "BUG", values = { "none", "early", "unannounced", "leaving", "diverged", "mask", "behind", "outside", "beside",
                             "misaligned", "twice", "unknown", "endless", "half", "covered", "unwritten" },
           default = "none", strategy = "instruction", about = "what is wrong" },
  },
  legal = function(c, p, device) return true end,
  launch = function(c, p)
    return { entry = "probe_pair", grid = { p.n // 64 }, block = { 64 }, cluster = { 2 }, smem = 528,
             args = { "x", "o", i32(p.n) } }
  end,
}
