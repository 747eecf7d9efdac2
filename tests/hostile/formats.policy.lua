-- Formats that want more than they get, and lines that pretend to be others.
-- verdict: survived
-- says: formats.policy.lua:[0-9]
function breed(run)
  run.log("[ 1/45] gen 1 ok 0.001 us\n\27[1A\r%s", "fooled")
  pcall(run.log, setmetatable({}, { __tostring = function() error {} end }))
  pcall(run.log, ("%99d"):rep(100000), 1)
  run.log("%d %n %s", {})
end
