-- Values that no axis has, among them what is no number.
-- verdict: survived
-- says: axis [A-Za-z_]* of variant
function breed(run)
  local list = {}
  for _, v in ipairs(run.space.variants) do
    for _, axis in ipairs(v.axes) do
      for _, x in ipairs { 0 / 0, 1 / 0, -1 / 0, -1, 2 ^ 53 + 1, math.mininteger, 0.5, "", "1e400", ("9"):rep(1000), "\0", {}, true,
                           breed, "\27[2J\n#include </dev/zero>" } do
        list[#list + 1] = { variant = v.name, [axis.name] = x }
      end
    end
  end
  return list
end
