-- touch: moves a session's idle end later and notes a confirmation.
--
-- KEYS[1]  the session
-- ARGV[1]  the new idle end, ms
-- ARGV[2]  when its password was confirmed, ms; 0: leave it
--
-- Reply: 1 done, 0 there is no such session (any more)
local has = redis.call('HMGET', KEYS[1], 'expires', 'idle')
if not has[1] then return 0 end
local idle = ARGV[1]
if tonumber(idle) > tonumber(has[1]) then idle = has[1] end
if tonumber(idle) > tonumber(has[2]) then redis.call('HSET', KEYS[1], 'idle', idle) end
if ARGV[2] ~= '0' then redis.call('HSET', KEYS[1], 'confirmed', ARGV[2]) end
return 1
