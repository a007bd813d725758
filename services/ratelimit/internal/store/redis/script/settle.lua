-- KEYS: as for reserve. ARGV: holder, id, tokens, unused, keep in ms, cost, keep in ms where money was reserved, the
-- attempt that alone is undone, then kind and five limits for each scope.
local holder, member = ARGV[1], ARGV[1] .. '\n' .. ARGV[2]
local used, unused, lasts, cost = tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5]), money(ARGV[6])
local r, stands = record(KEYS[1])
if stands and r.o == 0 then return 0 end

local attempt, undone = ARGV[8], nil
if attempt ~= '' then
  if r and not stands then return 0 end -- it ended as spent
  undone = r and r.u or {}
  undone[attempt] = 1
  if r and r.o == 1 then
    r.u, r.w = undone, r.w or {[''] = 1}
    r.w[attempt] = nil
    if next(r.w) then -- others reserved it, too
      keep(KEYS[1], r)
      return 0
    end
  end
end
if r and r.o == 2 then r = nil end -- nothing but attempts that were undone
if r and not stands and (r.o == 0 or r.p == 0 or now >= r.x + LINGER * 1000) then r = nil end -- nothing of it is needed

if cost.h > 0 or cost.l > 0 or (r and (r.m.h > 0 or r.m.l > 0)) then lasts = tonumber(ARGV[7]) end
if r and r.d == 1 then lasts = math.max(lasts, math.ceil((r.x - now) / 1000)) end
if unused then cost = NOTHING end

-- bring brings back what the call didn't use of one account, or takes what it used beyond.
local function bring(a, c)
  if a.h[holder] then heard(a, holder) end
  redis.call('ZREM', a.places, member)
  if c.r and a.r then giveback(a.r, c.r, unused and 1 or 0) end
  if c.t and a.t then
    giveback(a.t, c.t, r.n - used)
    a.t.l = a.t.l - math.max(0, used - r.n) * U
  end
end

for i = 2, #KEYS, 2 do
  local at = 9 + (i - 2) * 3
  for _, c in ipairs(r and r.c or {}) do
    if c.k == KEYS[i] then
      local a = open(KEYS[i], KEYS[i + 1], at)
      pay(a, r, c.b, cost, not stands)
      if stands then
        bring(a, c)
        if cost.h > 0 or cost.l > 0 then owe(a, cost) end
      end
      save(a)
    end
  end
  if not r and (cost.h > 0 or cost.l > 0) then
    local a = open(KEYS[i], KEYS[i + 1], at)
    payUnknown(a, cost)
    owe(a, cost)
    save(a)
  end
end
-- What is settled before it was reserved takes nothing when it is.
local over = {o = undone and 2 or 0, x = now + lasts * 1000, a = r and r.a or {1}, u = undone}
redis.call('SET', KEYS[1], cmsgpack.pack(over), 'PX', string.format('%d', lasts))
return r and 1 or 0
