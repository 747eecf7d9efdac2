-- Calls the host's functions with what they are not made for.
-- verdict: survived
-- says: arguments.policy.lua:[0-9]
function breed(run)
  local calls = {}
  for _, name in ipairs { "legal", "neighbours", "adjacent", "random", "repair", "default", "key", "seen", "distance", "suggest" } do
    for _, a in ipairs { 1, "x", {}, run, run.space, breed, true, { variant = "x" }, { {} } } do
      for _, b in ipairs { -1, "y", {}, { pool = 1e300 }, { spread = 0 / 0 }, run.rng } do
        pcall(run.space[name], run.space, a, b)
        pcall(run.space[name], a, b)
        pcall(run.space[name])
      end
    end
  end
  for _, name in ipairs { "int", "uniform", "normal", "pick", "shuffle" } do
    for _, a in ipairs { 0, -1, 0.5, 1 / 0, "9", {}, run } do pcall(run.rng[name], run.rng, a) end
  end
  return run.rng:int(0)
end
