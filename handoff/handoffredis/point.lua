-- point: makes a handoff the newest of its case, if its epoch is greater than any before.
-- KEYS[1] the case's pointer: {id, epoch}
-- ARGV[1] id, or '' to note the epoch alone; ARGV[2] epoch; ARGV[3] how long to keep it, in ms
-- Replies {1, id before or ''} when done, {0, id that stays or ''} when the epoch is not greater.
local former = redis.call('HGET', KEYS[1], 'id') or ''
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '-1')
if tonumber(ARGV[2]) <= epoch then return {0, former} end
redis.call('HSET', KEYS[1], 'epoch', ARGV[2])
if ARGV[1] ~= '' then redis.call('HSET', KEYS[1], 'id', ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {1, former}
