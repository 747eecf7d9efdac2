-- The search policy: what to try next. Change it freely: lua/README.md says what a policy sees and may return, and
-- `attune bench` says what a change is worth. Deleting a function falls back to the default of the same name.
local evolve = require "evolve"

population = 6          -- trials of a variant that are spread out before its model is believed
lookahead = 7           -- candidates under way (compiling, waiting) when the next one is asked for; 0: one by one
curiosity = 0.5         -- how readily a slower variant gets another trial; 0: only the fastest one is pursued
shapes = { 0, 1, 2 }    -- in turn: model the logarithm of the speed, the speed, its square (which stresses the best)
explore = 1             -- how much the model's uncertainty counts; 2 looks further away, 0.5 stays near the best

-- The first candidates: each variant's default.
function seed(run)
  return evolve.defaults(run)
end

-- The next candidate: choose a variant, then what its model expects to improve most on its best trial.
function breed(run)
  local variant = evolve.variant_to_try(run, curiosity)
  local tried = #evolve.of_variant(run.trials, variant)
  local options = { spread = tried < population, shape = shapes[1 + tried % #shapes], explore = explore }
  local c = evolve.by("model", run.space:suggest(variant, options))
  return { c or evolve.random(run, variant) or evolve.random(run) }
end
