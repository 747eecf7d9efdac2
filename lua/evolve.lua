-- What policies are made from: first generations, mutation, crossover, annealing, shares for variants, credit.
-- Every operator takes `run` first and returns candidates that are legal and not proposed before, or nil when it found
-- none. Nothing here keeps state of its own: all that is known is in run.trials.

local evolve = {}

-- A copy of a candidate, without its credit.
function evolve.copy(c)
  local r = {}
  for name, value in pairs(c) do
    if name:sub(1, 1) ~= "_" then r[name] = value end
  end
  return r
end

-- The candidate with its credit attached, which comes back in its trial as `op` and `parents`.
function evolve.by(op, c, ...)
  if not c then return nil end
  local parents = {}
  for _, trial in ipairs { ... } do parents[#parents + 1] = trial.key end
  c._op, c._parents = op, parents
  return c
end

function evolve.variant(run, name)
  for _, v in ipairs(run.space.variants) do
    if v.name == name then return v end
  end
end

local function fresh(run, c)
  return c and not run.space:seen(c) and run.space:legal(c) and c or nil
end

-- Adds c to list unless it is nil, seen, or in the list already; true when it was added.
function evolve.add(run, list, c)
  if not c or run.space:seen(c) then return false end
  local key = run.space:key(c)
  for _, other in ipairs(list) do
    if run.space:key(other) == key then return false end
  end
  list[#list + 1] = c
  return true
end

-- Trials of one variant, in the order of `list` (run.trials or run.ranked).
function evolve.of_variant(list, name)
  local r = {}
  for _, trial in ipairs(list) do
    if trial.candidate.variant == name then r[#r + 1] = trial end
  end
  return r
end

-- --- first generation --------------------------------------------------------------------------------------------

-- Every variant's default, then random candidates up to n (n may be absent).
function evolve.defaults(run, n)
  local list = {}
  for _, v in ipairs(run.space.variants) do
    evolve.add(run, list, evolve.by("default", run.space:default(v.name)))
  end
  for _ = 1, 4 * (n or 0) do
    if #list >= n then break end
    evolve.add(run, list, evolve.by("random", run.space:random()))
  end
  return list
end

function evolve.seed(run)
  return evolve.defaults(run)
end

-- --- moves -----------------------------------------------------------------------------------------------------

-- A legal neighbour of a trial's candidate, one axis changed: by one step, or (how = "any") to any value. strategy: only
-- axes of that strategy.
function evolve.mutate(run, parent, strategy, how)
  local list = {}
  local axes = {}
  for _, axis in ipairs(evolve.variant(run, parent.candidate.variant).axes) do axes[axis.name] = axis end
  for _, c in ipairs(run.space:neighbours(parent.candidate, how or "step")) do
    if not run.space:seen(c) then
      for name, axis in pairs(axes) do
        if c[name] ~= parent.candidate[name] and (not strategy or axis.strategy == strategy) then
          list[#list + 1] = { c, axis.strategy }
        end
      end
    end
  end
  local chosen = run.rng:pick(list)
  if not chosen then return nil end
  return evolve.by("mutate:" .. chosen[2], chosen[1], parent)
end

-- A legal candidate with every axis at most one step from the parent's.
function evolve.adjacent(run, parent)
  return evolve.by("adjacent", run.space:adjacent(parent.candidate), parent)
end

-- Each axis from one of two parents of the same variant, repaired; of two variants: the first parent's variant with what
-- the second says about axes of the same name and value.
function evolve.crossover(run, a, b)
  local c = evolve.copy(a.candidate)
  for _, axis in ipairs(evolve.variant(run, c.variant).axes) do
    local value = b.candidate[axis.name]
    if value ~= nil and run.rng:uniform() < 0.5 then
      for _, allowed in ipairs(axis.values) do
        if allowed == value then c[axis.name] = value end
      end
    end
  end
  return evolve.by("crossover", fresh(run, run.space:repair(c)), a, b)
end

-- A random candidate: of a variant, or of any.
function evolve.random(run, variant)
  return evolve.by("random", fresh(run, run.space:random(variant)))
end

-- --- choices ---------------------------------------------------------------------------------------------------

-- One of the first n of a ranked list; earlier ones more often.
function evolve.elite(run, ranked, n)
  n = math.min(n or 5, #ranked)
  if n == 0 then return nil end
  local u = run.rng:uniform()
  return ranked[1 + math.floor(n * u * u)]
end

-- The current state of an annealing walk over the trials, seen again from the first: a trial is accepted when it is faster,
-- or with the chance exp(-loss / temperature), drawn from a hash of its number so that the walk is the same each time.
function evolve.walker(run, temperature)
  local at, cooled = nil, temperature
  for i, trial in ipairs(run.trials) do
    if trial.verdict == "ok" then
      local loss = at and math.log(trial.time_us / at.time_us) or -1
      local chance = (i * 0.6180339887498949) % 1
      if loss <= 0 or chance < math.exp(-loss / cooled) then at = trial end
    end
    cooled = temperature * (1 - i / math.max(run.budget, i + 1))
  end
  return at
end

-- The variant to try next. One that has never been tried comes first; then the one with the best hope: the logarithm of
-- its best speed, the fastest variant's being 0, plus weight * sqrt(log(all trials) / its trials) (an upper confidence
-- bound). A variant that has not worked yet counts as `unproven` times slower than the fastest.
function evolve.variant_to_try(run, weight, unproven)
  local tried, best, chosen, hope = {}, {}, nil, nil
  for _, trial in ipairs(run.trials) do
    local name = trial.candidate.variant
    tried[name] = (tried[name] or 0) + 1
    if trial.verdict == "ok" then best[name] = math.min(best[name] or math.huge, trial.time_us) end
  end
  local fastest = run.ranked[1] and run.ranked[1].time_us or 1
  for _, v in ipairs(run.space.variants) do
    local n = tried[v.name] or 0
    local speed = best[v.name] and math.log(fastest / best[v.name]) or -math.log(unproven or 3)
    local h = n == 0 and math.huge or speed + weight * math.sqrt(math.log(run.tried + 1) / n)
    if not hope or h > hope then chosen, hope = v.name, h end
  end
  return chosen
end

function evolve.breed(run)
  local variant = evolve.variant_to_try(run, 0.5)
  local tried = #evolve.of_variant(run.trials, variant)
  local c = run.space:suggest(variant, tried < 6 and { spread = true } or { shape = tried % 3 })
  return { evolve.by("model", c) or evolve.random(run, variant) or evolve.random(run) }
end

return evolve
