-- KEYS: the group, and the epoch where it is kept here. ARGV: lifetime in ms, then who lives. Answers how many do.
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], string.format('%d', now), ARGV[i]) end
if KEYS[2] then epoch(KEYS[2]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now - tonumber(ARGV[1]) * 1000))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return math.max(1, redis.call('ZCARD', KEYS[1]))
