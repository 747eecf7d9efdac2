-- Legal candidates with credit that nobody could want: functions, cycles, a million parents, broken text.
-- verdict: survived
-- says: credit.policy.lua:[0-9]*: .*_op
function breed(run)
  local c, cycle, many = run.space:random(), {}, {}
  cycle[1] = cycle
  for i = 1, 100000 do many[i] = "parent" .. i end
  c._op, c._parents, c._more = breed, cycle, many
  run.log("proposed")
  local d = run.space:random()
  d._op, d._parents = "\255\254", many
  if run.generation % 2 == 1 then return { c, d } end
  error("_op of " .. tostring(c._op))
end
