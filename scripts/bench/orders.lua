-- Script for wrk. It sends orders that were signed beforehand, each once, and finally prints its
-- counts, which scripts/bench reads. Its argument is a file: the app code, a body with # in place of
-- the order's number, then on each line a number and a signature.

local head, before, after, lines, path

local function open()
   lines = io.lines(path)
   local code, body = lines(), lines()
   before, after = body:match("^(.-)#(.*)$")
   head = "POST /trade/v1/payment HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port ..
      "\r\nContent-Type: application/x-www-form-urlencoded\r\nX-QF-APPCODE: " .. code ..
      "\r\nX-QF-SIGNTYPE: SHA256\r\nX-QF-SIGN: "
end

function init(args)
   path = args[1]
   open()
end

function request()
   local line = lines()
   if not line then
      open() -- starts again; repeats are answered too, but the caller counts the rows
      line = lines()
   end
   local number, sign = line:match("^(%S+) (%S+)$")
   local body = before .. number .. after
   return head .. sign .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format("result %d %d %d %d %d\n", summary.requests, summary.duration,
      latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
