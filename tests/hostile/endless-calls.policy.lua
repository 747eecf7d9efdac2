-- Spends its time in the host's own functions, where steps of Lua are few.
-- verdict: survived
-- says: endless-calls.policy.lua:[0-9]*: more than
-- slow: one run is enough
function breed(run)
  local c = run.space:random()
  while run.generation == 1 do
    pcall(run.space.suggest, run.space, c.variant, { pool = 100000, spread = true })
    pcall(run.space.repair, run.space, c)
    pcall(run.space.neighbours, run.space, c, "any")
  end
  return { c }
end
