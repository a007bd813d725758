-- What every operation needs: the time, accounts, buckets. The arithmetic is that of package bucket, in doubles.
-- An account is one value: r and t are buckets of requests and tokens, h what holders have, b its purses, o
-- what is owed. Open reservations that take a
-- place are the members of a sorted set beside it, by the time they end.
local U = 60000000 -- parts of one: a limit of n a minute refills n parts in a microsecond
local FADED = 1e-9
local now = clock[1] * 1000000 + clock[2]

local function settle(b)
  local whole = b.n * U
  if b.l > whole - b.h then b.l = whole - b.h end
  local room = whole - b.h - b.l
  if b.p <= room then return end
  local f = b.f * room / b.p
  if f < FADED then
    b.p, b.f, b.e = 0, 1, b.e + 1
  else
    b.p, b.f = room, f
  end
end

local function advance(b, limit, to)
  if not b then
    return {n = limit, l = limit * U, h = 0, t = to, p = 0, f = 1, e = to}
  end
  b.l = b.l + (limit - b.n) * U
  b.n = limit
  local passed, short = to - b.t, limit * U - b.h - b.l
  b.t = to -- also where the clock went back: that refills nothing
  if passed > 0 and short > 0 then
    b.l = b.l + math.min(short, limit * passed)
  end
  settle(b)
  return b
end

local function left(b) return math.floor(b.l / U) end

local function wait(b, parts)
  local short = parts - b.l
  if short <= 0 then return 0 end
  return math.ceil(short / b.n)
end

local function reset(b) return wait(b, b.n * U - b.h) end

-- A claim is {s = size, e = epoch}.
local function join(b, c, n)
  if n <= 0 then return c end
  if c.e ~= b.e then c = {s = 0, e = b.e} end
  b.p = b.p + n * U
  c.s = c.s + n * U / b.f
  settle(b)
  return c
end

local function take(b, n)
  b.l = b.l - n * U
  return join(b, {s = 0, e = b.e}, n)
end

local function worth(b, c)
  if c.e ~= b.e then return 0 end
  return math.min(c.s * b.f, b.p)
end

local function giveback(b, c, n)
  local w = worth(b, c)
  b.p = b.p - w
  b.l = b.l + math.min(math.max(n, 0) * U, math.floor(w))
  settle(b)
end

local function draw(b, c, n)
  local back = math.min(math.max(n, 0) * U, math.floor(worth(b, c)))
  if back == 0 then return c end
  b.p = b.p - back
  b.l = b.l + back
  c.s = c.s - back / b.f
  settle(b)
  return c
end

local function release(b, n, back)
  b.h = math.max(0, b.h - n * U)
  b.l = b.l + math.min(back, n) * U
  settle(b)
end

-- Money is h millionths of a dollar and l parts of 10^-12 beside them, 0 <= l < 10^6: one double is exact up to 9007
-- dollars only. Outside of the scripts it is one whole number, in digits.
local M = 1000000
local NOTHING = {h = 0, l = 0}

local function money(digits)
  return {h = tonumber(string.sub(digits, 1, -7)) or 0, l = tonumber(string.sub(digits, -6))}
end

local function sum(a, b, sign)
  local h, l = a.h + sign * b.h, a.l + sign * b.l
  if l < 0 then return {h = h - 1, l = l + M} end
  if l >= M then return {h = h + 1, l = l - M} end
  return {h = h, l = l}
end

local function less(a, b) return a.h < b.h or (a.h == b.h and a.l < b.l) end

local MAX = money(MAX_MONEY)

local digits
function digits(a)
  if a.h < 0 then return '-' .. digits(sum(NOTHING, a, -1)) end
  return string.format('%d%06d', a.h, a.l)
end

-- month is the first day, in days since 1970, of the month that a day is in, and how many days it has. Years begin with
-- March here, so that the odd day is the last one of a year, and of four, a hundred and four hundred years.
local LENGTHS = {31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31}
local function month(day)
  local rest = day + 719468 -- since the first of March of the year 0
  local era = math.floor(rest / 146097)
  rest = rest - era * 146097
  local year = math.floor((rest - math.floor(rest / 1460) + math.floor(rest / 36524) - math.floor(rest / 146096)) / 365)
  rest = rest - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local of = math.floor((5 * rest + 2) / 153)
  local first = day - (rest - math.floor((153 * of + 2) / 5))
  local next = year + 1
  local leap = next % 4 == 0 and (next % 100 ~= 0 or next % 400 == 0)
  return first, LENGTHS[of + 1] or (leap and 29 or 28)
end

-- The kinds of period. began is when the one that now is in began, and ends how long it lasts from now, in us.
local DAY, MONTH = '1', '2'

local function began(kind)
  local day = math.floor(clock[1] / 86400)
  if kind == DAY then return day * 86400 end
  if kind == MONTH then return month(day) * 86400 end
  return 0
end

local function ends(kind, from)
  if kind == DAY then return (from + 86400) * 1000000 - now end
  if kind ~= MONTH then return -1 end
  local first, length = month(from / 86400)
  return (first + length) * 86400000000 - now
end

-- A purse is the money of one kind of period, what is settled and reserved together: h and l are that, s is when the
-- period began, in seconds, n when it was seeded.
local function add(p, n, sign)
  local new = sum(p, n, sign)
  if new.h < 0 then new = NOTHING end
  if less(MAX, new) then new = MAX end
  p.h, p.l = new.h, new.l
end

-- turn begins the periods that have come: at zero, since all that is spent passes through a known account.
local function turn(purses)
  for kind, p in pairs(purses) do
    local from = began(kind)
    if p.s < from then p.s, p.h, p.l = from, 0, 0 end
  end
end

-- charge takes a cost from all purses that are known, and tells which those are.
local function charge(a, cost)
  local charged
  for kind, p in pairs(a.b) do
    add(p, cost, 1)
    charged = charged or {}
    charged[kind] = {p.s, p.n}
  end
  return charged
end

-- pay settles the cost of a reservation; charged are the purses that it was charged to.
local function pay(a, r, charged, cost, over)
  for kind, p in pairs(a.b) do
    local c = charged and charged[kind]
    if c and c[1] == p.s and c[2] == p.n then
      if not over or less(r.m, cost) then add(p, sum(cost, r.m, -1), 1) end
    elseif r.y >= p.s * 1000000 then
      add(p, cost, 1)
    end
  end
end

-- payUnknown charges the cost of a reservation that isn't known and may have been lost.
local function payUnknown(a, cost)
  for _, p in pairs(a.b) do
    if now - p.n < RECENT then add(p, cost, 1) end
  end
end

-- owe notes a cost where the budget in force isn't known: the ledger may hear of it too late.
local function owe(a, cost)
  if not a.budget or a.b[a.period] then return end
  local from = began(a.period)
  if not a.o or a.o.s ~= from then a.o = {s = from, h = 0, l = 0} end
  add(a.o, cost, 1)
  a.o.n = now
end

-- silence removes the places of a holder that isn't heard of.
local function silence(places, holder)
  for _, member in ipairs(redis.call('ZRANGE', places, 0, -1)) do
    if string.sub(member, 1, #holder + 1) == holder .. '\n' then redis.call('ZREM', places, member) end
  end
end

-- catchup refills a bucket up to a moment in the past, by the limit that it had where none is named now.
local function catchup(b, limit, to)
  if b and to > b.t then advance(b, limit > 0 and limit or b.n, to) end
end

-- expire ends the grants of holders that weren't heard of in time, each at its time: what it held leaves room from then on.
local function expire(a)
  local over = {}
  for _, h in pairs(a.h) do
    if now >= h.u and (h.r > 0 or h.t > 0) then over[#over + 1] = h end
  end
  table.sort(over, function(x, y) return x.u < y.u end)
  for _, h in ipairs(over) do
    catchup(a.r, a.requests, h.u)
    catchup(a.t, a.tokens, h.u)
    if a.r then release(a.r, h.r, 0) end
    if a.t then release(a.t, h.t, 0) end
    h.r, h.t = 0, 0
  end
end

-- open reads an account and brings it to now; at is where its kind and limits stand in ARGV.
local function open(key, places, at)
  local v = redis.call('GET', key)
  local a = v and cmsgpack.unpack(v) or {h = {}}
  a.key, a.places, a.kind = key, places, tonumber(ARGV[at])
  a.requests, a.tokens, a.concurrency = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  a.budget, a.period = ARGV[at + 4] ~= '0' and money(ARGV[at + 4]), ARGV[at + 5]
  a.b = a.b or {}
  turn(a.b)
  expire(a)
  if a.requests > 0 then a.r = advance(a.r, a.requests, now) end
  if a.tokens > 0 then a.t = advance(a.t, a.tokens, now) end
  for name, h in pairs(a.h) do
    if now - h.a >= SILENCE then
      a.h[name] = nil
      silence(places, name)
    end
  end
  if a.concurrency > 0 then
    redis.call('ZREMRANGEBYSCORE', places, '-inf', now)
  end
  return a
end

-- record reads a reservation, and whether it still stands: one that has run out doesn't, also before Redis has removed it.
local function record(key)
  local v = redis.call('GET', key)
  local r = v and cmsgpack.unpack(v)
  return r, r and now < r.x
end

-- keep writes the record of an open reservation. One of money is remembered past its end: settled then, it isn't charged
-- twice.
local function keep(key, r)
  local ms = math.ceil((r.x - now) / 1000) + (r.p == 1 and LINGER or 0)
  redis.call('SET', key, cmsgpack.pack(r), 'PX', string.format('%d', ms))
end

-- epoch is since when nothing was lost here.
local function epoch(key)
  local since = tonumber(redis.call('GET', key))
  if not since or since > now then since = now end
  redis.call('SET', key, string.format('%d', since), 'PX', KEEP_BUDGET)
  return since
end

-- save writes an account. It lives for as long as forgetting it would change anything.
local function save(a)
  local ms = 120000
  if a.r then ms = math.max(ms, reset(a.r) / 1000 + 60000) end
  if a.t then ms = math.max(ms, reset(a.t) / 1000 + 60000) end
  local b
  if next(a.b) or a.o then b, ms = a.b, KEEP_BUDGET end
  redis.call('SET', a.key, cmsgpack.pack({r = a.r, t = a.t, h = a.h, b = b, o = a.o}), 'PX', string.format('%d', math.min(ms, 2592000000)))
end

local function heard(a, name)
  local h = a.h[name]
  if not h then
    h = {u = 0, r = 0, t = 0, l = 0, s = 0, q = {s = 0, e = 0}, g = {0, 0, 0, 0, 0, 0}}
    a.h[name] = h
  end
  h.a = now
  return h
end

local function taken(a)
  local n = redis.call('ZCARD', a.places)
  for _, h in pairs(a.h) do n = n + h.l end
  return n
end

-- The dimensions of the contract.
local REQUESTS, TOKENS, CONCURRENCY, BUDGET = 1, 2, 3, 4

-- left over of a budget; nil where nothing is known of it.
local function remaining(a)
  local p = a.b[a.period]
  return p and sum(a.budget, p, -1)
end

local function budget(a)
  local there, p = remaining(a), a.b[a.period]
  local from = p and p.s or began(a.period)
  return {a.kind, BUDGET, digits(a.budget), digits(there or NOTHING), ends(a.period, from), there and -1 or from}
end

local function balance(a, dimension)
  if dimension == REQUESTS then return {a.kind, dimension, a.requests, left(a.r), reset(a.r), -1} end
  if dimension == TOKENS then return {a.kind, dimension, a.tokens, left(a.t), reset(a.t), -1} end
  if dimension == BUDGET then return budget(a) end
  return {a.kind, dimension, a.concurrency, a.concurrency - taken(a), 0, -1}
end

-- tell appends how each limit of an account stands, six numbers each; the last is -1, or since when nothing is known.
local function tell(list, a)
  local function one(dimension)
    for _, v in ipairs(balance(a, dimension)) do list[#list + 1] = v end
  end
  if a.requests > 0 then one(REQUESTS) end
  if a.tokens > 0 then one(TOKENS) end
  if a.concurrency > 0 then one(CONCURRENCY) end
  if a.budget then one(BUDGET) end
end
