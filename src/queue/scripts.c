/* See scripts.h. The functions that several of them share stand in front of each. */
#include "queue/scripts.h"

#define GROUP "workers"

/* Who owns a message of the stream; the limits are queue.h's (a test compares them). */
static const char shared[] =
    "local P = ARGV[1]\n"
    "local function owner(stream, msg)\n"
    "  local p = redis.pcall('XPENDING', stream, '" GROUP "', msg, msg, 1)\n"
    "  if p and not p.err and p[1] then return p[1][2], p[1][4] end\n"
    "  return nil, 0\n"
    "end\n"
    "local function drop(stream, msg)\n"
    "  redis.call('XACK', stream, '" GROUP "', msg)\n"
    "  redis.call('XDEL', stream, msg)\n"
    "end\n"
    "local function tell(reply, ...)\n"
    "  if not reply or reply == '' then return end\n"
    "  redis.call('XADD', reply, 'MAXLEN', '~', 20000, '*', 'v', '1', ...)\n"
    "  redis.call('EXPIRE', reply, 86400)\n"
    "end\n"
    /* What of a message is small, and how large the rest was. */
    "local function bury(stream, msg, reason)\n"
    "  local e = redis.call('XRANGE', stream, msg, msg)[1] or {msg, {}}\n"
    "  local left = 327680\n"
    "  local add = {'reason', reason, 'stream', stream, 'tries',\n"
    "               tostring(select(2, owner(stream, msg)))}\n"
    "  for i = 1, math.min(#e[2], 400), 2 do\n"
    "    local k, v = e[2][i], e[2][i + 1]\n"
    "    if #k > 64 then k = 'a name of ' .. #k .. ' bytes' end\n"
    "    if #v > left then k = 'bytes of ' .. k v = tostring(#v) end\n"
    "    left = left - #v\n"
    "    add[#add + 1] = k\n"
    "    add[#add + 1] = v\n"
    "  end\n"
    "  redis.call('XADD', P .. 'dead', 'MAXLEN', '~', 1000, '*', unpack(add))\n"
    "end\n"
    "local function fail(stream, msg, job, id, state, text, buried)\n"
    "  if buried then bury(stream, msg, text) end\n"
    "  if redis.call('EXISTS', job) == 1 then\n"
    "    redis.call('HSET', job, 'state', state)\n"
    "    tell(redis.call('HGET', job, 'reply'), 'kind', state, 'id', id, 'text', text)\n"
    "    redis.call('EXPIRE', job, 86400)\n"
    "  end\n"
    "  drop(stream, msg)\n"
    "end\n"
    /* What an owned message asks for: nil where there is nothing to do about it. Writes only where
     * it gives up, so that jobs are taken from a full server as well. */
    "local function take(stream, msg, tries)\n"
    "  local e = redis.call('XRANGE', stream, msg, msg)[1]\n"
    "  if not e then redis.call('XACK', stream, '" GROUP "', msg) return nil end\n"
    "  local id, size = '', 0\n"
    "  for i = 1, #e[2], 2 do\n"
    "    size = size + #e[2][i] + #e[2][i + 1]\n"
    "    if e[2][i] == 'id' and #e[2][i + 1] <= 64 then id = e[2][i + 1] end\n"
    "  end\n"
    "  local job = P .. 'job:' .. id\n"
    "  local at = redis.call('HMGET', job, 'state', 'msg', 'cancel', 'reply')\n"
    "  local _, n = owner(stream, msg)\n"
    "  if size > 41943040 or #e[2] > 400 then\n"
    "    fail(stream, msg, job, id, 'failed', 'the message is over the limit of 40 MiB', true)\n"
    "  elseif id == '' or not at[1] then\n" /* the worker says what is wrong with it */
    "    return {stream, msg, id, e[2], n, ''}\n"
    "  elseif at[2] ~= msg then\n"
    "    drop(stream, msg)\n"
    "  elseif at[3] then\n"
    "    fail(stream, msg, job, id, 'cancelled', '', false)\n"
    "  elseif n > tonumber(tries) then\n"
    "    fail(stream, msg, job, id, 'failed', 'given up: ' .. (n - 1) ..\n"
    "         ' workers took it, and none came back with a result', true)\n"
    "  else\n"
    "    return {stream, msg, id, e[2], n, at[4] or ''}\n"
    "  end\n"
    "  return nil\n"
    "end\n";

static const char *const own[SCRIPTS] = {
    [SCRIPT_SUBMIT] =
        "local at = redis.call('HMGET', KEYS[2], 'state', 'cancel', 'stream', 'msg')\n"
        "local given_up = at[1] == 'queued' and at[2]\n"
        "if at[1] == 'done' or (at[1] == 'queued' and not given_up) then\n"
        "  redis.call('HSET', KEYS[2], 'reply', ARGV[3])\n"
        "  return {'known', at[1]}\n"
        "end\n"
        "local waiting = redis.call('XLEN', KEYS[1])\n"
        "if waiting >= tonumber(ARGV[4]) then return {'full', waiting} end\n"
        "redis.call('HSET', KEYS[2], 'state', 'queued', 'reply', ARGV[3], 'stream', KEYS[1])\n"
        "redis.call('HDEL', KEYS[2], 'cancel', 'taker')\n"
        "if given_up then drop(at[3], at[4]) end\n" /* who is at it was told to stop, or will be */
        "redis.call('EXPIRE', KEYS[2], 604800)\n"
        "redis.pcall('XGROUP', 'CREATE', KEYS[1], '" GROUP "', '0', 'MKSTREAM')\n"
        "redis.call('HSET', KEYS[2], 'msg',\n"
        "           redis.call('XADD', KEYS[1], '*', unpack(ARGV, 5)))\n"
        "return {'queued'}\n",
    [SCRIPT_NEXT] = "for _ = 1, 16 do\n"
                    "  local any = false\n"
                    "  for _, stream in ipairs(KEYS) do\n"
                    "    local r = redis.pcall('XREADGROUP', 'GROUP', '" GROUP
                    "', ARGV[2], 'COUNT', 1,\n"
                    "                          'STREAMS', stream, '>')\n"
                    "    if r and r.err then return redis.error_reply(r.err) end\n"
                    "    if r and r[1] and r[1][2][1] then\n"
                    "      any = true\n"
                    "      local t = take(stream, r[1][2][1][1], ARGV[3])\n"
                    "      if t then return t end\n"
                    "    end\n"
                    "  end\n"
                    "  if not any then return false end\n"
                    "end\n"
                    "return false\n",
    [SCRIPT_TAKE] = "if owner(KEYS[1], ARGV[4]) ~= ARGV[2] then return false end\n"
                    "local t = take(KEYS[1], ARGV[4], ARGV[3])\n"
                    "if t then t[4] = {} end\n" /* who names a message has its fields */
                    "return t or false\n",
    [SCRIPT_CLAIM] = "for _, stream in ipairs(KEYS) do\n"
                     "  local at = '0-0'\n" /* a call looks at ten messages at most */
                     "  for _ = 1, 64 do\n"
                     "    local r = redis.call('XAUTOCLAIM', stream, '" GROUP
                     "', ARGV[2], ARGV[4], at,\n"
                     "                         'COUNT', 1)\n"
                     "    local e = r[2] and r[2][1]\n"
                     "    local t = e and take(stream, e[1], ARGV[3])\n"
                     "    if t then return t end\n"
                     "    at = r[1]\n"
                     "    if at == '0-0' then break end\n"
                     "  end\n"
                     "end\n"
                     "return false\n",
    [SCRIPT_TOUCH] = "if owner(KEYS[1], ARGV[3]) ~= ARGV[2] then return {0, 0, ''} end\n"
                     "redis.call('XCLAIM', KEYS[1], '" GROUP "', ARGV[2], 0, ARGV[3], 'JUSTID')\n"
                     "local at = redis.call('HMGET', KEYS[2], 'cancel', 'reply')\n"
                     "return {1, at[1] and 1 or 0, at[2] or ''}\n",
    [SCRIPT_HOLD] = "for _, stream in ipairs(KEYS) do\n"
                    "  local mine = redis.pcall('XPENDING', stream, '" GROUP
                    "', '-', '+', 16, ARGV[2])\n"
                    "  for _, p in ipairs(mine.err and {} or mine) do\n"
                    "    if p[3] <= tonumber(ARGV[3]) then\n"
                    "      redis.call('XCLAIM', stream, '" GROUP "', ARGV[2], 0, p[1], 'JUSTID')\n"
                    "    end\n"
                    "  end\n"
                    "end\n"
                    "return 'OK'\n",
    [SCRIPT_DELIVER] =
        "local at = redis.call('HMGET', KEYS[2], 'state', 'taker', 'reply', 'msg')\n"
        "if at[1] == 'done' and at[2] == ARGV[2] and at[4] == ARGV[3] then return 'stored' end\n"
        "if owner(KEYS[1], ARGV[3]) ~= ARGV[2] then return 'lost' end\n"
        "if at[4] ~= ARGV[3] or redis.call('EXISTS', KEYS[3]) == 1 then\n"
        "  drop(KEYS[1], ARGV[3])\n"
        "  return 'lost'\n"
        "end\n"
        "redis.call('HSET', KEYS[3], unpack(ARGV, 5))\n"
        "redis.call('EXPIRE', KEYS[3], 86400)\n"
        "redis.call('HSET', KEYS[2], 'state', 'done', 'taker', ARGV[2])\n"
        "redis.call('EXPIRE', KEYS[2], 86400)\n"
        "tell(at[3], 'kind', 'result', 'id', ARGV[4])\n"
        "drop(KEYS[1], ARGV[3])\n"
        "return 'stored'\n",
    [SCRIPT_FAIL] = "if owner(KEYS[1], ARGV[3]) ~= ARGV[2] then return 'lost' end\n"
                    "fail(KEYS[1], ARGV[3], KEYS[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7] == '1')\n"
                    "return 'stored'\n",
    [SCRIPT_RELEASE] = "if owner(KEYS[1], ARGV[3]) ~= ARGV[2] then return 'lost' end\n"
                       "local e = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]\n"
                       "if e then\n"
                       "  local msg = redis.call('XADD', KEYS[1], '*', unpack(e[2]))\n"
                       "  if redis.call('HGET', KEYS[2], 'msg') == ARGV[3] then\n"
                       "    redis.call('HSET', KEYS[2], 'msg', msg)\n"
                       "  end\n"
                       "end\n"
                       "drop(KEYS[1], ARGV[3])\n"
                       "return 'stored'\n",
    [SCRIPT_CANCEL] = "local at = redis.call('HMGET', KEYS[1], 'state', 'stream', 'msg')\n"
                      "if at[1] == 'queued' and not owner(at[2], at[3]) then\n"
                      "  redis.call('XDEL', at[2], at[3])\n"
                      "  redis.call('DEL', KEYS[1])\n"
                      "elseif at[1] == 'queued' then\n"
                      "  redis.call('HSET', KEYS[1], 'cancel', 1)\n"
                      "elseif at[1] then\n"
                      "  redis.call('DEL', KEYS[1], P .. 'result:' .. ARGV[2])\n"
                      "end\n"
                      "return at[1] or ''\n",
    [SCRIPT_STATES] = "local out = {}\n"
                      "for i, job in ipairs(KEYS) do\n"
                      "  out[i] = redis.call('HGET', job, 'state') or ''\n"
                      "end\n"
                      "return out\n",
    [SCRIPT_BEAT] = "local now = tonumber(redis.call('TIME')[1])\n"
                    "redis.call('ZADD', KEYS[1], now, ARGV[2])\n"
                    "redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - 2 * tonumber(ARGV[4]))\n"
                    "redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])\n"
                    "return 'OK'\n",
};

const char *script_shared(void)
{
    return shared;
}

const char *script_text(enum script s)
{
    return own[s];
}
