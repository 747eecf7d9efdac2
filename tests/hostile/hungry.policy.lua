-- Takes all memory that there is.
-- verdict: survived
-- says: hungry.policy.lua:[0-9]
function breed(run)
  local t = {}
  for i = 1, 1e9 do t[i] = string.rep("x", 1e6) .. i end
  return t
end
