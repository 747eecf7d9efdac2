-- A genetic algorithm: a population of the best, tournaments, uniform crossover with repair, mutation.
local evolve = require "evolve"

population = 10
mutation = 0.3          -- chance that a child is changed in one axis, beside its crossover

local function parent(run)
  local n = math.min(population, #run.ranked)
  return run.ranked[math.min(run.rng:int(n), run.rng:int(n))]
end

function seed(run)
  return evolve.defaults(run, population)
end

function breed(run)
  local list = {}
  for _ = 1, 8 * population do
    if #list >= population then break end
    local c
    if #run.ranked > 0 then
      local a, b = parent(run), parent(run)
      c = run.rng:uniform() < mutation and evolve.mutate(run, a, nil, "any") or evolve.crossover(run, a, b)
    end
    evolve.add(run, list, c or evolve.random(run))
  end
  return list
end
