-- What wrk asks: every width of a range of every copy, once: wrk -s distinct.lua URL -- TEMPLATE COPIES FIRST LAST
-- TEMPLATE has %c where the number of the copy and %w where the width belongs.
local template, copies, first, span
local asked = 0

function init(arguments)
  template, copies, first = arguments[1], tonumber(arguments[2]), tonumber(arguments[3])
  span = tonumber(arguments[4]) - first + 1
end

function request()
  -- Beyond the last copy nothing is new: the caller counts the requests and refuses such a run.
  local copy, width = math.floor(asked / span) % copies, first + asked % span
  asked = asked + 1
  return wrk.format("GET", (template:gsub("%%(%a)", { c = copy, w = width })))
end
