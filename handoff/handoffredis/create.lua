-- create: keeps a new offer.
-- KEYS[1] the handoff
-- ARGV[1] how long to keep it at most, in ms; then field, value, field, value, …
-- Replies 1 when kept, 0 when there is one of that id.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
