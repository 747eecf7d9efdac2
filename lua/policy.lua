-- The search policy: what to try next. Change it freely; lua/README.md says what a policy sees.
local evolve = require "evolve"

population = 5   -- candidates of the first generation
elites = 4       -- parents are drawn among so many of the best
lookahead = 7    -- candidates on their way (compiling, waiting) when the next one is asked for

function seed(run)
  return evolve.defaults(run, population)
end

function breed(run)
  return evolve.breed(run)
end
