-- KEYS: the reservation, then an account and its places for each scope.
-- ARGV: holder, id, tokens, hold in ms, then kind and three limits for each scope.
-- Answers {1, balances...}, or {0, retry in us, never, the balance in the way, balances...}.
local known = record(KEYS[1])
if known then return known.a end

local holder, member = ARGV[1], ARGV[1] .. '\n' .. ARGV[2]
local tokens, hold = tonumber(ARGV[3]), tonumber(ARGV[4])
local refusal
local function refuse(a, dimension, retry, never)
  if refusal and (refusal.never > never or (refusal.never == never and refusal.retry >= retry)) then return end
  refusal = {a = a, dimension = dimension, retry = retry, never = never}
end
local function check(a, b, dimension, n)
  local retry, never = wait(b, n * U), 0
  if n > b.n then never = 1 end
  if never == 0 and (retry == 0 or n == 0) then return end
  if n * U > b.n * U - b.h then retry = math.max(retry, UNKNOWN) end
  refuse(a, dimension, math.max(retry, 1000), never)
end

local accounts = {}
for i = 2, #KEYS, 2 do
  local a = open(KEYS[i], KEYS[i + 1], 5 + (i - 2) * 2)
  accounts[#accounts + 1] = a
  if a.requests > 0 then check(a, a.r, REQUESTS, 1) end
  if a.tokens > 0 then check(a, a.t, TOKENS, tokens) end
  if a.concurrency > 0 and taken(a) >= a.concurrency then refuse(a, CONCURRENCY, UNKNOWN, 0) end
end

if refusal then
  local answer = {0, refusal.retry, refusal.never}
  for _, v in ipairs(balance(refusal.a, refusal.dimension)) do answer[#answer + 1] = v end
  for _, a in ipairs(accounts) do
    add(answer, a)
    save(a)
  end
  return answer
end

local answer, claims = {1}, {}
for _, a in ipairs(accounts) do
  local c = {k = a.key}
  if a.requests > 0 then c.r = take(a.r, 1) end
  if a.tokens > 0 then c.t = take(a.t, tokens) end
  if a.concurrency > 0 then
    heard(a, holder)
    redis.call('ZADD', a.places, string.format('%d', now + hold * 1000), member)
    if redis.call('PTTL', a.places) < hold then redis.call('PEXPIRE', a.places, hold) end
  end
  claims[#claims + 1] = c
  add(answer, a)
  save(a)
end
redis.call('SET', KEYS[1], cmsgpack.pack({o = 1, x = now + hold * 1000, n = tokens, c = claims, a = answer}), 'PX', hold)
return answer
