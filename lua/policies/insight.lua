-- Insight (EvoEngineer, without a language model): the task, the single best, and insights: which strategy has paid. A
-- strategy is chosen by an upper confidence bound on its measured gain, masked by what limits the best kernel.
local evolve = require "evolve"

curiosity = 0.2         -- weight of strategies that were tried little

function seed(run)
  return evolve.defaults(run)
end

function breed(run)
  local best = run.ranked[1]
  if not best then return { evolve.random(run) } end
  local strategy = evolve.strategy(run, best, curiosity)
  return { evolve.mutate(run, best, strategy, "any") or evolve.mutate(run, best, nil, "any") or evolve.random(run) }
end
