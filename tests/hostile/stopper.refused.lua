-- Raises where it is asked whether it is done.
-- says: stopper.refused.lua:[0-9]*: no end
function done(run) error("no end") end
