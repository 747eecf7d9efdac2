-- Full (EvoEngineer, without a language model): the task, the history and insights: an elite population, crossover of two,
-- mutation of one by the strategy that has paid.
local evolve = require "evolve"

population = 5
curiosity = 0.2         -- weight of strategies that were tried little
crossover = 0.4         -- share of children of two parents

function seed(run)
  return evolve.defaults(run, population)
end

function breed(run)
  local a, b = evolve.elite(run, run.ranked, population), evolve.elite(run, run.ranked, population)
  if not a then return { evolve.random(run) } end
  local c = run.rng:uniform() < crossover and evolve.crossover(run, a, b)
  c = c or evolve.mutate(run, a, evolve.strategy(run, a, curiosity), "any") or evolve.mutate(run, a, nil, "any")
  return { c or evolve.random(run) }
end
