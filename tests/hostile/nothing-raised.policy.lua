-- Raises nil, functions and tables that lie about their text, through handlers that raise again.
-- verdict: survived
-- says: nothing-raised.policy.lua:[0-9]*: raised a
local n = 0
function breed(run)
  n = n + 1
  local liar = setmetatable({}, { __tostring = function() return 7 end, __concat = error, __name = {} })
  pcall(function() pcall(error, liar) error(liar) end)
  if n % 3 == 0 then error() elseif n % 3 == 1 then error(error) else error(liar, 2) end
end
