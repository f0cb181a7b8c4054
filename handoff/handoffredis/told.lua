-- told: the end has been announced.
-- KEYS[1] the handoff
-- ARGV[1] the state that was announced
-- Replies 1 when noted, 0 when the state is another by now, -1 when there is no such handoff.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return -1 end
if state ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'told', '1')
return 1
