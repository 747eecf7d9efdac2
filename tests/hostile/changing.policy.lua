-- Changes everything that it was given, so that the next one who looks sees something else.
-- verdict: survived
-- says: breed returned no candidate
local function spoil(t, depth)
  for k, v in pairs(t) do
    if type(v) == "table" and depth < 6 then spoil(v, depth + 1) end
    if type(v) == "number" then t[k] = -v elseif type(v) == "string" then t[k] = "spoilt" elseif v == true then t[k] = false end
  end
end
function observe(run, trial)
  spoil(trial, 0)
  trial.time_us, trial.verdict, trial.candidate = -1, "ok", nil
end
function breed(run)
  spoil(run.trials, 0)
  spoil(run.ranked, 0)
  spoil(run.problem, 0)
  spoil(run.device, 0)
  spoil(run.space.variants, 0)
  for i = #run.trials, 1, -1 do run.trials[i] = nil end
  run.budget, run.tried, run.want, run.space, run.rng = 1e300, -5, 0 / 0, nil, nil
  return {}
end
