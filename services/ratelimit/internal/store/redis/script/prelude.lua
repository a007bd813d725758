-- What every operation needs: the time, accounts, buckets. The arithmetic is that of package bucket, in doubles.
-- An account is one value: r and t are buckets of requests and tokens, h what holders have. Open reservations that take a
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

-- silence removes the places of a holder that isn't heard of.
local function silence(places, holder)
  for _, member in ipairs(redis.call('ZRANGE', places, 0, -1)) do
    if string.sub(member, 1, #holder + 1) == holder .. '\n' then redis.call('ZREM', places, member) end
  end
end

-- expire ends the grants of holders that weren't heard of in time, each at its time: what it held leaves room from then on.
local function expire(a)
  local over = {}
  for _, h in pairs(a.h) do
    if now >= h.u and (h.r > 0 or h.t > 0) then over[#over + 1] = h end
  end
  table.sort(over, function(x, y) return x.u < y.u end)
  for _, h in ipairs(over) do
    if a.r and a.requests > 0 and h.u > a.r.t then advance(a.r, a.requests, h.u) end
    if a.t and a.tokens > 0 and h.u > a.t.t then advance(a.t, a.tokens, h.u) end
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

-- record reads a reservation; one that has run out is none, also before Redis has removed it.
local function record(key)
  local v = redis.call('GET', key)
  local r = v and cmsgpack.unpack(v)
  if r and now < r.x then return r end
end

-- save writes an account. It lives for as long as forgetting it would change anything.
local function save(a)
  local ms = 120000
  if a.r then ms = math.max(ms, reset(a.r) / 1000 + 60000) end
  if a.t then ms = math.max(ms, reset(a.t) / 1000 + 60000) end
  redis.call('SET', a.key, cmsgpack.pack({r = a.r, t = a.t, h = a.h}), 'PX', string.format('%d', math.min(ms, 2592000000)))
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
local REQUESTS, TOKENS, CONCURRENCY = 1, 2, 3

local function balance(a, dimension)
  if dimension == REQUESTS then return {a.kind, dimension, a.requests, left(a.r), reset(a.r)} end
  if dimension == TOKENS then return {a.kind, dimension, a.tokens, left(a.t), reset(a.t)} end
  return {a.kind, dimension, a.concurrency, a.concurrency - taken(a), 0}
end

-- add appends how each limit of an account stands, five numbers each.
local function add(list, a)
  local function one(dimension)
    for _, v in ipairs(balance(a, dimension)) do list[#list + 1] = v end
  end
  if a.requests > 0 then one(REQUESTS) end
  if a.tokens > 0 then one(TOKENS) end
  if a.concurrency > 0 then one(CONCURRENCY) end
end
