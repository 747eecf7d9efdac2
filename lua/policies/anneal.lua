-- Simulated annealing: from the present state to a candidate at most one step away in every axis (now and then one axis by
-- any distance); a slower one is accepted with a chance that falls with the trials.
local evolve = require "evolve"

hot, cold = 0.5, 0.01   -- temperature at the first and at the last trial: a loss of so much is accepted 1 time in e
jumps = 0.5             -- share of moves that change one axis to any value

local state, seen = nil, 0

function seed(run)
  return evolve.defaults(run)
end

function breed(run)
  for i = seen + 1, #run.trials do
    local trial = run.trials[i]
    local temperature = hot * (cold / hot) ^ (i / run.budget)
    if trial.verdict == "ok" then
      local loss = state and trial.time_us / state.time_us - 1 or 0
      if loss <= 0 or run.rng:uniform() < math.exp(-loss / temperature) then state = trial end
    end
  end
  seen = #run.trials
  if not state then return { evolve.random(run) } end
  local c = run.rng:uniform() < jumps and evolve.mutate(run, state, nil, "any")
  return { c or evolve.adjacent(run, state) or evolve.random(run) }
end
