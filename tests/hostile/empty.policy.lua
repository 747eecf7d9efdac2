-- Nothing, from the beginning on.
-- verdict: survived
-- says: returned no candidate
function seed(run) return {} end
function breed(run) return { n = 5, [0] = {}, [2] = {} } end
