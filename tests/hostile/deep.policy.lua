-- Recurses, and sorts with an order that contradicts itself.
-- verdict: survived
-- says: deep.policy.lua
function breed(run)
  table.sort({ 3, 1, 2, 5, 4, 9, 8, 7 }, function() return true end)
  local function f(x) return 1 + f({ x }) end
  return f(1)
end
