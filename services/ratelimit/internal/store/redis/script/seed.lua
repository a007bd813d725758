-- KEYS: an account and its places, the epoch. ARGV: kind and five limits, when the period began, what was spent of it, how
-- long ago the ledger was asked, in us, and whether it has all for sure.
-- Answers since when nothing was lost, in us, where the ledger may lack something, or else -1.
local since, age = now - epoch(KEYS[3]), tonumber(ARGV[9])
local a = open(KEYS[1], KEYS[2], 1)
local from, spent = tonumber(ARGV[7]), money(ARGV[8])
if from ~= began(a.period) then return -1 end
if less(MAX, spent) then spent = MAX end
local p = a.b[a.period]
if not p and since - age < SETTLING and ARGV[10] ~= '1' then return since end
if not p then -- what the ledger has, and what it may not have yet
  p = {s = from, n = now, h = spent.h, l = spent.l}
  if a.o and a.o.s == from and now - (a.o.n or now) - age < SHIPPING then add(p, a.o, 1) end
  a.b[a.period], a.o = p, nil
elseif less(p, spent) then
  p.h, p.l = spent.h, spent.l
end
save(a)
return -1
