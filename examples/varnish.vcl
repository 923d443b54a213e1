# Varnish 7 in front of afterimage: one request of afterimage forgets everything of an original, whatever sizes there are.
# Needs the vmod xkey (Debian: varnish-modules). See docs/operating/cdn.md.
vcl 4.1;

import std;
import xkey;

backend default {
    .host = "127.0.0.1";
    .port = "8080";
    # A fetch that was under way when a picture went is kept when it ends: Varnish does not look back. So afterimage says
    # everything twice, `fetch` apart (10s unless set), and no fetch may take longer than that.
    .first_byte_timeout = 5s;
    .between_bytes_timeout = 5s;
}

# Who may make this Varnish forget.
acl afterimage {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    if (req.method == "PURGE" || req.method == "BAN") {
        if (client.ip !~ afterimage) {
            return (synth(403, "Forbidden"));
        }
        # With `secret` in [[cdn]], compare it too:
        # if (req.http.Authorization != "Bearer ...") { return (synth(401, "Unauthorized")); }
        if (req.method == "PURGE" && req.http.Afterimage-Tags) {
            set req.http.Afterimage-Forgot = xkey.purge(req.http.Afterimage-Tags);
            return (synth(200, "Forgot"));
        }
        if (req.method == "BAN" && req.http.Afterimage-Beginning) {
            if (std.ban("obj.http.X-Url ~ " + req.http.Afterimage-Beginning)) {
                set req.http.Afterimage-Forgot = "ban";
                return (synth(200, "Forgot"));
            }
            return (synth(400, std.ban_error()));
        }
        return (synth(400, "Afterimage-Tags or Afterimage-Beginning is missing"));
    }
}

sub vcl_backend_response {
    # afterimage separates tags with commas, xkey with spaces.
    set beresp.http.xkey = regsuball(beresp.http.Cache-Tag, ",", " ");
    # Bans look at objects, so that they can be tidied up in the background.
    set beresp.http.X-Url = bereq.url;
    # A stale picture is no picture.
    set beresp.grace = 0s;
    set beresp.keep = 0s;
}

sub vcl_deliver {
    unset resp.http.xkey;
    unset resp.http.X-Url;
    unset resp.http.Cache-Tag;
}

sub vcl_synth {
    if (req.http.Afterimage-Forgot) {
        set resp.http.Afterimage-Forgot = req.http.Afterimage-Forgot;
        return (deliver);
    }
}
