-- Wants more candidates ahead than there are numbers.
-- says: lookahead is a whole number from 0 to 1000
lookahead = 1 / 0
