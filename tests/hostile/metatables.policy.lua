-- Puts metatables on what the host hands over, and reaches for those that it has.
-- verdict: survived
-- says: metatables.policy.lua:[0-9]
local function try(f, ...)
  local ok, why = pcall(f, ...)
  assert(not ok, "that worked")
  return why
end
function breed(run)
  try(setmetatable, run.space, { __index = function() return function() return {} end end })
  try(setmetatable, run.rng, {})
  try(function() run.space.random = function() return {} end end)
  try(function() run.space.__index = {} end)
  try(function() return run.space + 1 end)
  setmetatable(run, { __index = run.space, __newindex = error })
  setmetatable(run.trials, { __len = function() return 1e9 end })
  return getmetatable(run.space).__index
end
