-- Hides an endless loop in coroutines, where a count of steps might not follow.
-- verdict: survived
-- says: coroutines.policy.lua:[0-9]*: undefined global 'coroutine'
function breed(run)
  local loop = coroutine.wrap(function() while true do coroutine.yield {} end end)
  while true do pcall(loop) end
end
