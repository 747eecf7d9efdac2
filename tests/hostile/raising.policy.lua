-- Raises a table instead of a text.
-- verdict: survived
-- says: raising.policy.lua
function breed(run)
  error(setmetatable({}, { __tostring = function() error "again" end }))
end
