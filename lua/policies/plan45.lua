-- The plan of 45 trials: 5 to begin with, one for each variant, then 8 generations of 5. A generation changes the axes of
-- one strategy; the last four combine the best and refine them. The best 5 of parents and offspring are the next parents.
local evolve = require "evolve"

population = 5
plan = { "l2", "memory", "launch", "instruction" }

function seed(run)
  return evolve.defaults(run, population)
end

local function child(run, elites)
  local a, b = run.rng:pick(elites), run.rng:pick(elites)
  local strategy = plan[run.generation]
  if strategy then return evolve.mutate(run, a, strategy, "any") or evolve.mutate(run, a, nil, "any") end
  if run.rng:uniform() < 0.5 then return evolve.crossover(run, a, b) or evolve.mutate(run, a) end
  return evolve.mutate(run, a)
end

function breed(run)
  local elites, list = {}, {}
  for i = 1, math.min(population, #run.ranked) do elites[i] = run.ranked[i] end
  for _ = 1, 10 * population do
    if #list >= population then break end
    evolve.add(run, list, #elites > 0 and child(run, elites) or evolve.random(run))
  end
  return list
end

function done(run)
  return run.strategy == "first-win" and run.ranked[1] ~= nil and run.ranked[1].fitness > 1
end
