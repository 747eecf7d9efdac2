-- Random legal candidates: the control that every policy must beat.
lookahead = 1000

function seed(run)
  return { run.space:random() }
end

breed = seed
