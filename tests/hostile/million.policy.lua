-- A million proposals in one answer.
-- verdict: survived
-- says: only the first 100000 are looked at
function breed(run)
  local one, list = {}, {}
  for i = 1, 1000000 do list[i] = one end
  return list
end
