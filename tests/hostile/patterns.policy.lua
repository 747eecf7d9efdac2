-- A pattern that backtracks for ages, and texts that grow without end.
-- verdict: survived
-- says: patterns.policy.lua:[0-9]*: pattern with too many repetitions
function breed(run)
  local text = ("a"):rep(100000)
  return { text:match(("a*"):rep(30) .. "b") }
end
