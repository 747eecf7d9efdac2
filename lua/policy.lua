-- The search policy: what to try next. Change it freely: lua/README.md says what a policy sees and may return, and
-- `attune bench` says what a change is worth. Deleting a function falls back to the default of the same name.
local evolve = require "evolve"

population = 5          -- first trials of a variant, spread out before its model is believed;
drawn = 6               -- of one with more than ten axes so many, the default and random ones: what is spread there is extreme
lookahead = 3           -- candidates under way when the next one is asked for; 0: one by one, which is slower and surer
curiosity = 0.5         -- how readily a slower variant gets another trial; 0: only the fastest one is pursued
belief = 20             -- for about so many trials round values (64, not 56) and middling ones are preferred; 0: never
explore = 1.5           -- how much the model's uncertainty counts: 3 looks further away, 0.5 stays near the best; with more than
                        -- ten axes less (evolve.explore), and far from the best much less
settle = 0.6            -- once this share of the budget is spent
short = 45              -- trials without a survey; of what the budget has beyond them,
survey = 0.4            -- this share, and at most `surveyed` trials, goes into tiles and launches of each variant
surveyed = 30           -- whose best is at most `behind` times
behind = 3              -- slower than the fastest one's
shape = 1               -- what is modelled: 1 the speed, 2 its square, which stresses the fastest, 0 its logarithm

-- The first candidates: each variant's default.
function seed(run)
  return evolve.defaults(run)
end

-- The next candidate. Of a budget of more than `short` trials the first ones look for tiles and launches that suit the problem;
-- then choose a variant, and what its model expects to improve most on its best trial.
function breed(run)
  local c = evolve.survey_due(run, math.min(surveyed, survey * (run.budget - short)), behind)
  if c then return { c } end
  local variant = evolve.variant_to_try(run, curiosity)
  local tried, wide = evolve.proposed(run, variant), evolve.axes(run, variant) > 10
  c = wide and tried < drawn and evolve.random(run, variant)
  if c then return { c } end
  local options = { spread = tried < population, shape = shape, belief = belief, explore = evolve.explore(run, variant, explore, 4),
                    far = evolve.explore(run, variant, explore, run.tried < settle * run.budget and 20 or 2) }
  c = evolve.by("model", run.space:suggest(variant, options))
  return { c or evolve.random(run, variant) or evolve.random(run) }
end
