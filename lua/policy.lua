-- The search policy: what to try next. Change it freely: lua/README.md says what a policy sees and may return, and
-- `attune bench` says what a change is worth. Deleting a function falls back to the default of the same name.
local evolve = require "evolve"

population = 5          -- first trials of a variant, spread out before its model is believed;
drawn, most = 0.27, 20  -- of one with more than ten axes this share of the budget, at most so many: the default, and each time
draws = 200             -- the one of so many random candidates whose values were tried least
lookahead = 3           -- candidates under way when the next one is asked for; 0: one by one, which is slower and surer
curiosity = 0.5         -- how readily a slower variant gets another trial; 0: only the fastest one is pursued
belief = 20             -- for about so many trials round values (64, not 56) and middling ones are preferred; 0: never
explore = 1.5           -- how much the model's uncertainty counts: 3 looks further away, 0.5 stays near the best; with more than
                        -- ten axes less, and near the best much less (evolve.explore),
settle = 0.8            -- everywhere once this share of the budget is spent
shape = 1               -- what is modelled: 1 the speed, 2 its square, which stresses the fastest, 0 its logarithm

-- The first candidates: each variant's default.
function seed(run)
  return evolve.defaults(run)
end

-- The next candidate: of the variant that promises most, one with new values at first, then what its model expects to
-- improve most on its best trial.
function breed(run)
  local variant = evolve.variant_to_try(run, curiosity)
  local tried, wide = evolve.proposed(run, variant), evolve.axes(run, variant) > 10
  local c = wide and tried < math.min(most, drawn * run.budget) and evolve.least_tried(run, variant, draws)
  if c then return { c } end
  local options = { spread = tried < population, shape = shape, belief = belief, explore = evolve.explore(run, variant, explore, 4),
                    far = evolve.explore(run, variant, explore, run.tried < settle * run.budget and 20 or 2) }
  c = evolve.by("model", run.space:suggest(variant, options))
  return { c or evolve.random(run, variant) or evolve.random(run) }
end
