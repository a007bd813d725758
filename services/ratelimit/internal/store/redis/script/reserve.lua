-- KEYS: the reservation, then an account and its places for each scope.
-- ARGV: holder, id, tokens, hold in ms, cost, deferred, forced, attempt, then kind and five limits for each scope.
-- Answers {1, balances...}, or {0, retry in us, never, the balance in the way, balances...}.
local known, stands = record(KEYS[1])
local attempt, undone = ARGV[8], stands and known.u or {}
if stands and undone[attempt] then return known.a end -- nobody waits for it
if stands and known.o ~= 2 then
  if known.o == 1 then
    known.w = known.w or {[''] = 1}
    if not known.w[attempt] then
      known.w[attempt] = 1
      keep(KEYS[1], known)
    end
  end
  return known.a
end

local holder, member = ARGV[1], ARGV[1] .. '\n' .. ARGV[2]
local tokens, hold = tonumber(ARGV[3]), tonumber(ARGV[4])
local cost, deferred, forced = money(ARGV[5]), ARGV[6] == '1', ARGV[7] == '1'
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

-- afford refuses what the budget hasn't got. A period that never ends is no wait.
local function afford(a)
  if cost.h == 0 and cost.l == 0 then return end
  local there = remaining(a)
  if not there then return refuse(a, BUDGET, UNKNOWN, 0) end
  if not less(there, cost) then return end
  local wait = ends(a.period, a.b[a.period].s)
  if less(a.budget, cost) or wait < 0 then return refuse(a, BUDGET, 0, 1) end
  refuse(a, BUDGET, wait, 0)
end

local accounts = {}
for i = 2, #KEYS, 2 do
  local a = open(KEYS[i], KEYS[i + 1], 9 + (i - 2) * 3)
  accounts[#accounts + 1] = a
  if a.requests > 0 then check(a, a.r, REQUESTS, 1) end
  if a.tokens > 0 then check(a, a.t, TOKENS, tokens) end
  if a.concurrency > 0 and not deferred and taken(a) >= a.concurrency then refuse(a, CONCURRENCY, UNKNOWN, 0) end
  if a.budget then
    afford(a)
  else
    a.b = {} -- what is spent without a budget isn't counted: it is seeded where there is one again
  end
end

if refusal and not forced then
  local answer = {0, refusal.retry, refusal.never}
  for _, v in ipairs(balance(refusal.a, refusal.dimension)) do answer[#answer + 1] = v end
  for _, a in ipairs(accounts) do
    tell(answer, a)
    save(a)
  end
  return answer
end

local answer, claims, paying = {1}, {}, false
for _, a in ipairs(accounts) do
  local c = {k = a.key, b = charge(a, cost)}
  paying = paying or c.b
  if a.requests > 0 and not forced then c.r = take(a.r, 1) end
  if a.tokens > 0 and not forced then c.t = take(a.t, tokens) end
  if a.concurrency > 0 and not deferred and not forced then
    heard(a, holder)
    redis.call('ZADD', a.places, string.format('%d', now + hold * 1000), member)
    if redis.call('PTTL', a.places) < hold then redis.call('PEXPIRE', a.places, hold) end
  end
  claims[#claims + 1] = c
  tell(answer, a)
  save(a)
end
-- w are the attempts that reserved it, u those that were undone.
local r = {o = 1, w = {[attempt] = 1}, u = undone, x = now + hold * 1000, y = now, n = tokens, m = cost, d = deferred and 1 or 0, p = paying and 1 or 0, c = claims, a = answer}
keep(KEYS[1], r)
return answer
