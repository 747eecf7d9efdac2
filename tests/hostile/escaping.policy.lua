-- Reaches for files and programs.
-- verdict: survived
-- says: escaping.policy.lua:[0-9]
function breed(run)
  local open = (io or {}).open or (os or {}).execute or load or dofile or require "os".execute
  open("touch hostile-was-here")
  return {}
end
