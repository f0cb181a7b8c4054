-- seq: takes the next number of a case, and publishes it where it stands for a change.
--
-- KEYS[1]  the newest number of the case
-- ARGV[1]  the newest number that the caller knows
-- ARGV[2]  ms after which an unused number is forgotten; the clock is far ahead of it then
-- ARGV[3]  channel to publish on; '' publishes nothing
-- ARGV[4]  name of the publishing node
-- ARGV[5]  id of the case
--
-- Reply, as text: the number and the one before it (0 for none), with a space between.
-- The number is max(newest + 1, known + 1, this server's clock in ms), made even.
local clock = redis.call('TIME')
local seq = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local newest = tonumber(redis.call('GET', KEYS[1]) or '0')
if newest + 1 > seq then seq = newest + 1 end
if tonumber(ARGV[1]) + 1 > seq then seq = tonumber(ARGV[1]) + 1 end
seq = seq + seq % 2
local text = string.format('%.0f', seq)
redis.call('SET', KEYS[1], text, 'PX', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[3], ARGV[4] .. ' ' .. text .. ' ' .. ARGV[5])
end
return text .. ' ' .. string.format('%.0f', newest)
