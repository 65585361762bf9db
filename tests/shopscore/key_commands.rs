//! Keys by hand, and where a service asks for them: the program as a user runs it.

use std::path::Path;
use std::process::Output;

use serde_json::json;
use shopscore::cli::serve::check_exposure;
use shopscore::config::{Auth, ListenSettings};

use crate::support::program::{Process, empty_directory, program};
use crate::support::{answer, client};

/// Whether a command went well, and what it printed: for programs, and for people.
fn run(directory: &Path, arguments: &[&str]) -> (bool, String, String) {
    let Output { status, stdout, stderr } = program(directory, arguments).output().expect("the program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.success(), text(stdout), text(stderr))
}

/// The status of a read, with or without a key.
async fn status(base: &str, key: Option<&str>) -> u16 {
    let mut request = client().get(format!("{base}/v1/rule-sets"));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    answer(request).await.0
}

#[test]
fn keys_are_asked_for_wherever_others_can_reach_the_service() {
    for (listen, auth, wanted) in [
        ("127.0.0.1:8080", None, Some(false)),
        ("[::1]:8080", None, Some(false)),
        ("127.0.0.1:8080", Some(Auth::Off), Some(false)),
        ("127.0.0.1:8080", Some(Auth::Required), Some(true)),
        ("0.0.0.0:8080", None, Some(true)),
        ("[::]:8080", None, Some(true)),
        ("10.0.0.1:8080", Some(Auth::Required), Some(true)),
        ("0.0.0.0:8080", Some(Auth::Off), None),
        ("[::]:8080", Some(Auth::Off), None),
        ("10.0.0.1:8080", Some(Auth::Off), None),
    ] {
        let listening = ListenSettings { listen: listen.parse().expect("an address"), auth, bootstrap_key_file: None };
        let starts = check_exposure(&listening).is_ok();
        assert_eq!(starts.then(|| listening.auth_required()), wanted, "{listen} {auth:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_before_the_service_runs_and_listed_and_revoked_beside_it() {
    let directory = empty_directory("keys");
    assert!(run(&directory, &["migrate"]).0);
    let create = ["key", "create", "--scope", "scores:read", "--shop", "s-1", "--name", "ERP"];
    let (success, made, said) = run(&directory, &create);
    assert!(success, "{said}");
    let key = made.trim_end();
    assert!(key.starts_with("ssk_") && made.lines().count() == 1, "nothing but the key: {made}");
    assert!(!said.contains(key), "what goes to logs does not hold the key: {said}");

    let process = Process::start(&mut program(&directory, &["--listen", "0.0.0.0:0"]));
    let base = process.base.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(status(&base, None).await, 401, "off loopback keys are asked for");
    assert_eq!(status(&base, Some(key)).await, 200);
    let (_, second, said) = run(&directory, &["key", "create", "--scope", "events:write", "--expires", "2099-01-01"]);
    assert!(second.starts_with("ssk_"), "{said}");
    assert_eq!(status(&base, Some(second.trim_end())).await, 403, "one that is made beside the service is known");

    let mut listed = String::new();
    // Uses are written a moment later.
    while listed.matches("\tused 20").count() < 2 {
        let (success, printed, said) = run(&directory, &["key", "list"]);
        assert!(success, "{said}");
        listed = printed;
    }
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 2, "{listed}");
    assert_eq!(rows[0][2..5], ["events:write", "all shops", "expires 2098-12-31T16:00:00Z"]);
    assert_eq!(rows[1][1..5], [&key[..20], "scores:read", "s-1", "active"]);
    assert!(rows[1][5].starts_with("used 20") && rows[1][6] == "ERP", "{listed}");
    let random = key.rsplit('_').next().expect("the random part");
    assert!(random.len() == 64 && !listed.contains(random), "{listed}");

    for (arguments, reason) in [
        (&["create", "--scope", "scores:write"][..], "a scope is one of events:write"),
        (&["create", "--scope", "admin", "--shop", "s-1"][..], "leave shops and creators out"),
        (&["create", "--scope", "scores:read", "--shop", "a,b"][..], "without spaces and commas"),
        (&["create", "--scope", "scores:read", "--expires", "soon"][..], "--expires is a date"),
        (&["create", "--scope", "scores:read", "--expires", "2020-01-01"][..], "in the future"),
        (&["create", "--scope", "all", "--shop", "s-1"][..], "leave shops and creators out"),
        (&["create", "--scope", "events:write", "--creator", "c-1"][..], "a key for creators alone cannot send any"),
        (&["create"][..], "--scope"),
        (&["revoke", "abc"][..], "must be the number of a key"),
        (&["rotate", "99"][..], "no key has the id 99; see shopscore key list"),
        (&["revoke", "99"][..], "no key has the id 99; see shopscore key list"),
    ] {
        let (success, printed, said) = run(&directory, &[&["key"][..], arguments].concat());
        assert!(!success && printed.is_empty() && said.contains(reason), "{arguments:?}: {printed}{said}");
    }
    assert_eq!(run(&directory, &["key", "list"]).1, listed, "nothing was made");

    let (success, successor, said) = run(&directory, &["key", "rotate", rows[1][0], "--grace-hours", "1"]);
    assert!(success && said.contains(&format!("Key {} stays good until", rows[1][0])), "{said}");
    assert_eq!((status(&base, Some(key)).await, status(&base, Some(successor.trim_end())).await), (200, 200));
    let (_, of_shop, _) = run(&directory, &["key", "list", "--shop", "s-1", "--active", "--json"]);
    let of_shop: serde_json::Value = serde_json::from_str(&of_shop).expect("JSON");
    let replaced: Vec<&serde_json::Value> =
        of_shop["keys"].as_array().expect("keys").iter().map(|key| &key["replaces_key_id"]).collect();
    assert_eq!(replaced, [&json!(rows[1][0]), &json!(null)]);

    let (success, printed, said) = run(&directory, &["key", "revoke", rows[1][0]]);
    assert!(success && printed.starts_with("Revoked key"), "{printed}{said}");
    while status(&base, Some(key)).await != 401 {
        tokio::task::yield_now().await;
    }
    let (_, listed, _) = run(&directory, &["key", "list"]);
    assert!(listed.lines().nth(2).is_some_and(|line| line.contains("\trevoked ")), "{listed}");
    drop(process);
    let process = Process::start(&mut program(&directory, &["--listen", "127.0.0.1:0", "--auth", "required"]));
    let (code, problem) = answer(client().get(format!("{}/v1/keys", process.base))).await;
    assert_eq!((code, &problem["type"]), (401, &json!("urn:shopscore:problem:unauthorized")));
    let (success, everything, said) = run(&directory, &["key", "create", "--scope", "all"]);
    assert!(success, "{said}");
    for path in ["/v1/rule-sets", "/v1/runs"] {
        let request = client().get(format!("{}{path}", process.base)).bearer_auth(everything.trim_end());
        assert_eq!(answer(request).await.0, 200, "{path}");
    }
}
