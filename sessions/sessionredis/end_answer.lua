-- end_answer: keeps the answer of a claimed idempotency key, or gives the claim back.
--
-- KEYS[1]  the idempotency key
-- ARGV[1]  name of the claim
-- ARGV[2]  the answer; '' gives the claim back
-- ARGV[3]  ms for which the answer is kept
-- ARGV[4]  now, ms
--
-- Reply: 1 done, 0 the claim lapsed and the key is another's or nobody's
if redis.call('HGET', KEYS[1], 'claim') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('HDEL', KEYS[1], 'claim')
redis.call('HSET', KEYS[1], 'answer', ARGV[2],
  'until', string.format('%.0f', tonumber(ARGV[4]) + tonumber(ARGV[3])))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
