-- The search policy: what to try next. Change it freely: lua/README.md says what a policy sees and may return, and
-- `attune bench` says what a change is worth. Deleting a function falls back to the default of the same name.
local evolve = require "evolve"

population = 5          -- first trials of a variant, spread out before its model is believed
lookahead = 3           -- candidates under way when the next one is asked for; 0: one by one, which is slower and surer
curiosity = 0.5         -- how readily a slower variant gets another trial; 0: only the fastest one is pursued
belief = 20             -- for about so many trials round values (64, not 56) and middling ones are preferred; 0: never
explore = 1.5           -- how much the model's uncertainty counts: 3 looks further away, 0.5 stays near the best; with more than
                        -- ten axes less (evolve.explore)
short = 45              -- trials without a survey; of the budget beyond them
survey = 0.2            -- this share goes into tiles and launches of each variant that is not far behind,
wider = 3               -- and until they are used up the model's uncertainty counts so many times as much
trifle = 0.01           -- and a gain of so much of the best speed as none
shape = 1               -- what is modelled: 1 the speed, 2 its square, which stresses the fastest, 0 its logarithm

-- The first candidates: each variant's default.
function seed(run)
  return evolve.defaults(run)
end

-- The next candidate: choose a variant, then what its model expects to improve most on its best trial. Of a budget of more than
-- `short` trials the first ones look for tiles and launches that suit the problem, and the model looks further away.
function breed(run)
  local more = math.max(0, run.budget - short)
  local variant = evolve.to_survey(run, survey * more, 3)
  local c = variant and evolve.survey(run, variant)
  if c then return { c } end
  variant = evolve.variant_to_try(run, curiosity)
  local tried, early = evolve.proposed(run, variant), run.tried < more
  local options = { spread = tried < population, shape = shape, belief = belief, gain = early and trifle or 0,
                    explore = evolve.explore(run, variant, early and wider * explore or explore, 4),
                    far = evolve.explore(run, variant, explore, 2) }
  c = evolve.by("model", run.space:suggest(variant, options))
  return { c or evolve.random(run, variant) or evolve.random(run) }
end
