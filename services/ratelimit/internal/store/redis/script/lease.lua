-- KEYS: an account and its places for each stock. ARGV: holder, sequence, time in us until the grant ends, then for each
-- stock: kind, five limits, requests, tokens, places, places used, wanted requests, wanted tokens.
-- Answers six numbers for each: requests, tokens, places; requests and tokens left; tokens that can still come back.
local holder, sequence, valid = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function allowance(n, limit, there)
  if there < PLENTY then return 0 end
  return math.max(0, math.min(n, math.floor(limit / PART_OF_LIMIT), math.floor(there / PART_OF_LEVEL)))
end

local function takeback(a, h, requests, tokens)
  if a.r then
    release(a.r, h.r, math.max(0, requests))
    a.r.l = a.r.l - math.max(0, -requests) * U
  end
  if a.t then
    local back = math.min(tokens, h.t)
    release(a.t, h.t, math.max(0, back))
    a.t.l = a.t.l - math.max(0, -back) * U
    h.q = draw(a.t, h.q, tokens - back)
    h.q = join(a.t, h.q, h.t - math.max(0, back))
  end
  h.r, h.t, h.l = 0, 0, 0
end

local function grant(a, h, places, used, requests, tokens)
  local g = {0, 0, 0, 0, 0, 0}
  if a.requests > 0 then
    h.r = allowance(requests, a.requests, left(a.r))
    a.r.l = a.r.l - h.r * U
    a.r.h = a.r.h + h.r * U
    g[1], g[4] = h.r, left(a.r)
  end
  if a.tokens > 0 then
    h.t = allowance(tokens, a.tokens, left(a.t))
    a.t.l = a.t.l - h.t * U
    a.t.h = a.t.h + h.t * U
    g[2], g[5], g[6] = h.t, left(a.t), math.floor(worth(a.t, h.q) / U)
  end
  if a.concurrency > 0 then
    h.l = used + allowance(places - used, a.concurrency, a.concurrency - taken(a) - used)
    g[3] = h.l
  end
  return g
end

local answer = {}
for i = 1, #KEYS, 2 do
  local at = 4 + (i - 1) * 6
  local a = open(KEYS[i], KEYS[i + 1], at)
  local h = heard(a, holder)
  if sequence > h.s then
    takeback(a, h, tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7]))
    h.g = grant(a, h, tonumber(ARGV[at + 8]), tonumber(ARGV[at + 9]), tonumber(ARGV[at + 10]), tonumber(ARGV[at + 11]))
    h.s, h.u = sequence, now + valid
  end
  save(a)
  for _, v in ipairs(h.g) do answer[#answer + 1] = v end
end
return answer
