-- Replaces what everything is made of, and then reads a global that nobody set.
-- verdict: survived
-- says: undefined global
string.format, string.rep, table.sort, table.concat, math.log = nil, nil, error, 5, {}
pairs, ipairs, type, tostring, assert, select = nil, nil, nil, nil, nil, nil
population, curiosity = "five", {}
function breed(run)
  require = nil
  return { run.space:random(), surely_not_there }
end
