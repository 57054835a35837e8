-- SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
-- What wrk counted, as one JSON object; microseconds.
done = function(summary, latency, _)
    local e = summary.errors
    io.write(string.format(
        '{"requests":%d,"us":%d,"errors":%d,"p50":%d,"p99":%d}\n',
        summary.requests, summary.duration,
        e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
