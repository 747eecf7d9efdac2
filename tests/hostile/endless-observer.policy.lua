-- Loops for ever when it is told its first result, and catches what ends that.
-- verdict: survived
-- says: endless-observer.policy.lua:[0-9]*: more than 200 million steps
function observe(run, trial)
  while run.tried == 1 do pcall(function() while true do end end) end
end
