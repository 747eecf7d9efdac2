-- The same legal candidate, for ever.
-- verdict: survived
-- says: nothing new and legal in 3 answers
local c
function seed(run)
  c = run.space:random()
  return { c, c, c }
end
function breed(run)
  return { c, c, c, c, c }
end
