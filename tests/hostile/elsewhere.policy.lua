-- Modules from outside, and one that requires itself.
-- verdict: survived
-- says: elsewhere.policy.lua:[0-9]*: require
function breed(run)
  for _, name in ipairs { "../../../etc/passwd", "/etc/passwd", "policies/../../secret", "evolve.lua", "os", "", "a\0b" } do
    assert(not pcall(require, name), name)
  end
  return require "../policy"
end
