-- Never comes back, and catches the error that ends it.
-- verdict: survived
-- says: endless.policy.lua:[0-9]
function breed(run)
  while true do pcall(function() while true do end end) end
end
