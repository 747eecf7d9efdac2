-- Proposes what is no candidate, illegal ones, and the same again and again.
-- verdict: survived
-- says: policy
function breed(run)
  return { 1, "direct", {}, { variant = "no such" }, { variant = "direct", WIDTH = 7 }, { variant = "direct; touch hostile-was-here" },
           { variant = "direct", WIDTH = "64\n#include </dev/zero>" } }
end
