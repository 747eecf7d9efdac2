-- Free (EvoEngineer, without a language model): only the task and the single best. A child is the best with a few axes
-- drawn anew, whatever is known of earlier trials; nothing else is remembered.
local evolve = require "evolve"

function seed(run)
  return evolve.defaults(run)
end

function breed(run)
  local best = run.ranked[1]
  if not best then return { evolve.random(run) } end
  for _ = 1, 20 do
    local c = evolve.copy(best.candidate)
    local axes = evolve.variant(run, c.variant).axes
    for _ = 1, 1 + run.rng:int(3) do
      local axis = run.rng:pick(axes)
      if axis then c[axis.name] = run.rng:pick(axis.values) end
    end
    c = run.space:repair(c)
    if c and not run.space:seen(c) then return { evolve.by("redraw", c, best) } end
  end
  return { evolve.random(run) }
end
