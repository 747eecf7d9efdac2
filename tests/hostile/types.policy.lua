-- Candidates made of the wrong types.
-- verdict: survived
-- says: candidate [0-9]*: a candidate
function breed(run)
  local cyclic = {}
  cyclic.variant, cyclic._parents, cyclic._op = cyclic, cyclic, cyclic
  return { 1, true, "default", breed, run.space, run, cyclic, { variant = 7 }, { variant = {} }, { variant = breed },
           { variant = "" }, { variant = ("v"):rep(1e6) }, setmetatable({}, { __index = function() return "x" end }) }
end
