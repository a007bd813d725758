-- KEYS: as for reserve. ARGV: holder, id, tokens, unused, keep in ms, then kind and three limits for each scope.
local holder, member = ARGV[1], ARGV[1] .. '\n' .. ARGV[2]
local used, unused, keep = tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])
local r = record(KEYS[1])
if not r then -- settled before it was reserved: it takes nothing when it is
  redis.call('SET', KEYS[1], cmsgpack.pack({o = 0, x = now + keep * 1000, a = {1}}), 'PX', keep)
  return 0
end
if r.o == 0 then return 0 end
for i = 2, #KEYS, 2 do
  for _, c in ipairs(r.c) do
    if c.k == KEYS[i] then
      local a = open(KEYS[i], KEYS[i + 1], 6 + (i - 2) * 2)
      if a.h[holder] then heard(a, holder) end
      redis.call('ZREM', a.places, member)
      if c.r and a.r then giveback(a.r, c.r, unused and 1 or 0) end
      if c.t and a.t then
        giveback(a.t, c.t, r.n - used)
        a.t.l = a.t.l - math.max(0, used - r.n) * U
      end
      save(a)
    end
  end
end
redis.call('SET', KEYS[1], cmsgpack.pack({o = 0, x = now + keep * 1000, a = r.a}), 'PX', keep)
return 1
