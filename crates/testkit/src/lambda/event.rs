//! Events as a function URL makes them, payload format 2.0.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

const ID: &str = "u3pbqpexample7jbyf2wkyl5e";

/// The event of one request through CloudFront with origin access control: `target` as it came, headers in lower case, several of
/// one name joined, cookies apart.
pub fn url_event(method: &str, target: &str, headers: &[(&str, &str)]) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let domain = format!("{ID}.lambda-url.eu-central-1.on.aws");
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut fields = Map::new();
    let mut cookies = Vec::new();
    for (name, value) in [
        ("host", domain.as_str()),
        ("user-agent", "Amazon CloudFront"),
        ("via", "2.0 0123456789abcdef.cloudfront.net (CloudFront)"),
        ("x-amz-cf-id", "RkfLHnJ4QfaQ5C8X0example=="),
        ("x-amz-source-account", "111122223333"),
        ("x-amz-source-arn", "arn:aws:cloudfront::111122223333:distribution/EDFDVBD6EXAMPLE"),
        ("x-amzn-tls-version", "TLSv1.3"),
        ("x-amzn-trace-id", "Root=1-5e1b4151-43a0913a12345678901234567"),
        ("x-forwarded-for", "203.0.113.178"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    ]
    .into_iter()
    .chain(headers.iter().copied())
    {
        let name = name.to_ascii_lowercase();
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
            continue;
        }
        // The tests' own host and user agent stand for the ones above; others of one name are joined.
        let joined = match fields.get(&name) {
            Some(Value::String(known))
                if headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(&name)).count() > 1 =>
            {
                format!("{known},{value}")
            }
            _ => value.to_owned(),
        };
        fields.insert(name, joined.into());
    }
    let parameters: Map<String, Value> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": fields,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": ID,
            "authorizer": { "iam": {
                "accessKey": "ASIAEXAMPLE", "accountId": "111122223333", "callerId": "AIDEXAMPLE", "cognitoIdentity": null,
                "principalOrgId": null, "userArn": "arn:aws:sts::111122223333:assumed-role/OriginAccessControl", "userId": "AIDEXAMPLE",
            } },
            "domainName": domain,
            "domainPrefix": ID,
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "130.176.0.1", "userAgent": "Amazon CloudFront",
            },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": u64::try_from(millis).unwrap_or(0),
        },
        "isBase64Encoded": false,
    });
    if !parameters.is_empty() {
        event["queryStringParameters"] = parameters.into();
    }
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    event
}
