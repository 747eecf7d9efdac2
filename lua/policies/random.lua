-- Random legal candidates, variants in equal shares: the control that every policy must beat.
lookahead = 15

function seed(run)
  return { run.space:random() }
end

breed = seed
