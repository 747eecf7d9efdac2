-- Greedy: every unseen one-step neighbour of the best trial, in random order; at a local optimum, a random restart.
local evolve = require "evolve"

lookahead = 7

function seed(run)
  return evolve.defaults(run)
end

function breed(run)
  local best = run.ranked[1]
  local c = best and evolve.mutate(run, best, nil, "step")
  return { c or evolve.random(run) }
end
