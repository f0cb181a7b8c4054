-- put: stores or replaces a session.
--
-- KEYS[1]  the session
-- ARGV[1]  what never changes of it (JSON)
-- ARGV[2]  its absolute end, ms
-- ARGV[3]  its idle end, ms
-- ARGV[4]  when its password was confirmed, ms; 0: never
-- ARGV[5]  ms after which the key may go (cleaning only)
--
-- Reply: 1 stored
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'session', ARGV[1], 'expires', ARGV[2], 'idle', ARGV[3], 'confirmed', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
