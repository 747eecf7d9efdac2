-- What policies are made from: first candidates, moves, the choice of parents, variants and strategies by what they gained.
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

-- Of some random candidates of a variant the one whose values were tried least. Values that few combinations allow come up
-- rarely in draws, and the best may have one of them: four consumers of `hopper` at d = 64 are in one legal draw of a hundred.
function evolve.least_tried(run, name, draws)
  local tried, axes = {}, {}
  for _, axis in ipairs(evolve.variant(run, name).axes) do
    if #axis.values > 1 then
      axes[#axes + 1] = axis.name
      tried[axis.name] = {}
    end
  end
  local function count(c)
    for _, axis in ipairs(axes) do tried[axis][c[axis]] = (tried[axis][c[axis]] or 0) + 1 end
  end
  for _, trial in ipairs(evolve.of_variant(run.trials, name)) do count(trial.candidate) end
  for _, c in ipairs(run.waiting) do
    if c.variant == name then count(c) end
  end
  local chosen, most = nil, -1
  for _ = 1, draws do
    local c, new = fresh(run, run.space:random(name)), 0
    for _, axis in ipairs(c and axes or {}) do new = new + 1 / (1 + (tried[axis][c[axis]] or 0)) ^ 2 end
    if c and new > most then chosen, most = c, new end
  end
  return evolve.by("least_tried", chosen)
end

-- --- choices ---------------------------------------------------------------------------------------------------

-- One of the first n of a ranked list; earlier ones more often.
function evolve.elite(run, ranked, n)
  n = math.min(n or 5, #ranked)
  if n == 0 then return nil end
  local u = run.rng:uniform()
  return ranked[1 + math.floor(n * u * u)]
end

-- The strategies that can help a kernel, by what limits it (trial.limit of the host); others are masked.
local helps = {
  ["registers"] = { launch = true, instruction = true },
  ["shared memory"] = { launch = true, memory = true },
  ["threads"] = { launch = true },
}

-- The strategy to change the parent by: the largest mean gain of its mutations so far (the logarithm of parent's time / own
-- time, losses counting 0) plus weight * sqrt(log(all) / its own number). nil when the parent's variant has no strategies.
function evolve.strategy(run, parent, weight)
  local by_key, tried, gained, all = {}, {}, {}, 1
  for _, trial in ipairs(run.trials) do
    by_key[trial.key] = trial
    local name = type(trial.op) == "string" and trial.op:match("^mutate:(.*)$")
    local from = trial.parents and by_key[trial.parents[1]]
    if name and from then
      all = all + 1
      tried[name] = (tried[name] or 0) + 1
      local gain = trial.verdict == "ok" and math.log(from.time_us / trial.time_us) or 0
      gained[name] = (gained[name] or 0) + math.max(0, gain)
    end
  end
  local mask = helps[parent.limit]
  local chosen, most, looked = nil, nil, {}
  for _, axis in ipairs(evolve.variant(run, parent.candidate.variant).axes) do
    local name = axis.strategy
    if not looked[name] and (not mask or mask[name]) then
      looked[name] = true
      local n = tried[name] or 0
      local hope = n == 0 and math.huge or gained[name] / n + weight * math.sqrt(math.log(all) / n)
      if not most or hope > most then chosen, most = name, hope end
    end
  end
  return chosen
end

-- How many candidates of a variant have been proposed so far: its trials and those that are waited for.
function evolve.proposed(run, name)
  local n = #evolve.of_variant(run.trials, name)
  for _, c in ipairs(run.waiting) do
    if c.variant == name then n = n + 1 end
  end
  return n
end

-- The variant to try next. One that has never been tried comes first; then the one with the best hope: the logarithm of
-- its best speed, the fastest variant's being 0, plus weight * sqrt(log(all trials) / its trials) (an upper confidence
-- bound). A variant that has not worked yet counts as 3 times slower than the fastest.
function evolve.variant_to_try(run, weight)
  local best, chosen, most = {}, nil, nil
  for _, trial in ipairs(run.ranked) do
    local name = trial.candidate.variant
    best[name] = best[name] or math.log(run.ranked[1].time_us / trial.time_us)
  end
  for _, v in ipairs(run.space.variants) do
    local n = evolve.proposed(run, v.name)
    local hope = math.huge
    if n > 0 then hope = (best[v.name] or -math.log(3)) + weight * math.sqrt(math.log(run.tried + 1) / n) end
    if not most or hope > most then chosen, most = v.name, hope end
  end
  return chosen
end

-- How much a model's uncertainty should count for a variant: half as much for every `each` axes beyond ten. The more axes,
-- the further every untried candidate is from all tried ones, until uncertainty decides alone; near the best trials less so.
function evolve.explore(run, name, explore, each)
  return math.max(0.01, explore * 0.5 ^ (math.max(0, evolve.axes(run, name) - 10) / each))
end

-- How many axes of a variant there is a choice in.
function evolve.axes(run, name)
  local axes = 0
  for _, axis in ipairs(evolve.variant(run, name).axes) do
    if #axis.values > 1 then axes = axes + 1 end
  end
  return axes
end

-- What a policy without breed() does; lua/policy.lua is the same with its numbers at the top.
function evolve.breed(run)
  local variant = evolve.variant_to_try(run, 0.5)
  local tried, wide = evolve.proposed(run, variant), evolve.axes(run, variant) > 10
  local c = wide and tried < math.min(20, 0.27 * run.budget) and evolve.least_tried(run, variant, 200)
  if c then return { c } end
  local options = { spread = tried < 5, belief = 20, explore = evolve.explore(run, variant, 1.5, 4),
                    far = evolve.explore(run, variant, 1.5, run.tried < 0.8 * run.budget and 20 or 2) }
  c = evolve.by("model", run.space:suggest(variant, options))
  return { c or evolve.random(run, variant) or evolve.random(run) }
end

return evolve
